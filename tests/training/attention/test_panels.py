"""Panels: colors that keep the order of the values, and every map where it belongs."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cdul_edge.training.attention.panels import (
    CELL_PX,
    LINE_PX,
    MARGIN_PX,
    Cell,
    Column,
    color_table,
    draw_panel,
    lay_over,
)

GREY = Image.new("RGB", (CELL_PX, CELL_PX // 2), (100, 100, 100))


def lightness(rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    """CIE L* of one sRGB color, 0 to 100."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_a_higher_value_is_lighter_by_about_even_steps() -> None:
    steps = [lightness(color) for color in color_table()]
    assert len(steps) == 256
    assert np.diff(steps).min() > -0.05  # rounding to 8 bits
    assert steps[0] < 2
    assert steps[-1] > 95
    eighths = np.diff([steps[round(255 * n / 8)] for n in range(9)])
    assert eighths.max() < 2 * eighths.min()


def test_the_highest_place_is_lightest_and_the_lowest_darkest() -> None:
    over = lay_over(GREY, np.array([[-3.0, 1.0], [5.0, 1.0]], np.float32)).convert("L")
    corners = {
        name: over.getpixel(place)
        for name, place in {
            "low": (0, 0), "high": (0, over.height - 1), "middle": (over.width - 1, 0),
        }.items()
    }  # fmt: skip
    assert over.getextrema() == (corners["low"], corners["high"])
    assert corners["low"] < corners["middle"] < corners["high"]  # type: ignore[operator]


def test_scale_and_offset_of_a_map_change_no_color_and_a_flat_map_is_dark() -> None:
    values = np.array([[0.0, 0.25], [0.75, 1.0]], np.float32)
    assert lay_over(GREY, values).tobytes() == lay_over(GREY, 4 * values - 8).tobytes()
    flat = lay_over(GREY, np.full((2, 2), 7, np.float32))
    ((count, color),) = flat.getcolors() or []
    assert count == GREY.width * GREY.height
    # 0.4 of 100 and 0.6 of the table's (0, 0, 4)
    assert np.abs(np.subtract(color, (40, 40, 42))).max() <= 1


def test_every_class_has_a_column_and_every_state_a_row() -> None:
    peak = np.zeros((3, 2), np.float32)
    columns = []
    for place in range(3):
        maps = [peak.copy(), peak.copy()]
        maps[0][0, 0] = maps[1][place, 1] = 1.0
        columns.append(Column(f"class {place}", "", tuple(Cell(values, 0.5) for values in maps)))
    panel = draw_panel(GREY, "p.jpg", ("first", "last"), columns).convert("L")
    width, height = CELL_PX, CELL_PX // 2
    assert panel.width == MARGIN_PX + 4 * (width + MARGIN_PX)
    for place in range(3):
        left = MARGIN_PX + (place + 1) * (width + MARGIN_PX)
        for row, (y, x) in enumerate([(0, 0), (place, 1)]):
            top = MARGIN_PX + 2 * LINE_PX + row * (height + 2 * LINE_PX + MARGIN_PX)
            cell = np.asarray(panel.crop((left, top, left + width, top + height)))
            highest = np.unravel_index(int(cell.argmax()), cell.shape)
            assert (highest[0] * 3 // height, highest[1] * 2 // width) == (y, x)


def test_a_long_name_is_cut_and_a_long_picture_keeps_room_for_words() -> None:
    thin = Image.new("RGB", (1000, 10), (0, 90, 0))
    column = Column("a very long name " * 9, "note", (Cell(np.zeros((2, 2), np.float32), 1.0),))
    panel = draw_panel(thin, "x" * 200, ("after epoch 1",), [column])
    height = CELL_PX // 3
    assert panel.size == (
        MARGIN_PX + 2 * (CELL_PX + MARGIN_PX),
        MARGIN_PX + 2 * LINE_PX + height + 2 * LINE_PX + MARGIN_PX,
    )
    gaps = [0, MARGIN_PX + CELL_PX + 1]  # left of the picture, and between the two columns
    for left in gaps:
        strip = panel.crop((left, 0, left + MARGIN_PX - 1, panel.height))
        assert strip.getcolors() == [(strip.width * strip.height, (255, 255, 255))]
