"""Panels: colors that keep the order of the values, and every map where it belongs."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cdul_edge.training.attention.panels import (
    CELL_INCHES,
    COLORS,
    DPI,
    HEAT,
    Cell,
    Column,
    draw_panel,
    lay_over,
    save_panel,
)

GRAY = Image.new("RGB", (24, 12), (100, 100, 100))
Pixels = npt.NDArray[np.uint8]


def render(figure: Figure) -> Pixels:
    """(H, W, 3) pixels of a figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def over(values: npt.NDArray[np.float32], picture: Image.Image = GRAY) -> Pixels:
    """A map over a picture, without anything around it."""
    figure = Figure(figsize=(2.4, 1.2), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    lay_over(axes, picture, values)
    return render(figure)


def test_the_highest_place_is_lightest_and_the_lowest_darkest() -> None:
    light = over(np.array([[-3.0, 1.0], [5.0, 1.0]], np.float32)).sum(axis=2, dtype=int)
    low, high, middle = light[0, 0], light[-1, 0], light[0, -1]
    assert (light.min(), light.max()) == (low, high)
    assert low < middle < high


def test_scale_and_offset_of_a_map_change_no_color_and_a_flat_map_is_dark() -> None:
    values = np.array([[0.0, 0.25], [0.75, 1.0]], np.float32)
    # One color of the table apart at most: releases of matplotlib round differently.
    assert np.abs(over(values).astype(int) - over(4 * values - 8)).max() <= 4
    lowest = 255 * np.array(matplotlib.colormaps[COLORS](0.0)[:3])
    expected = (1 - HEAT) * 100 + HEAT * lowest
    assert np.abs(over(np.full((2, 2), 7, np.float32)) - expected).max() <= 2


def test_every_class_has_a_column_and_every_state_a_row() -> None:
    columns = []
    for place in range(3):
        maps = [np.zeros((3, 2), np.float32) for _ in range(2)]
        maps[0][0, 0] = maps[1][place, 1] = 1.0
        columns.append(Column(f"class {place}", "", tuple(Cell(values, 0.5) for values in maps)))
    figure = draw_panel(GRAY, "p.jpg", ("first", "last"), columns)
    pixels, axes = render(figure).sum(axis=2, dtype=int), figure.axes[:8]
    assert [one.get_xlabel().splitlines()[0] for one in axes if one.get_xlabel()] == [
        *["first: 0.50"] * 3, *["last: 0.50"] * 3
    ]  # fmt: skip
    for place in range(3):
        for row, (y, x) in enumerate([(0, 0), (place, 1)]):
            box = axes[4 * row + place + 1].get_window_extent()
            top, bottom = pixels.shape[0] - round(box.y1), pixels.shape[0] - round(box.y0)
            cell = pixels[top + 2 : bottom - 2, round(box.x0) + 2 : round(box.x1) - 2]  # no border
            highest = np.unravel_index(int(cell.argmax()), cell.shape)
            assert (highest[0] * 3 // len(cell), highest[1] * 2 // cell.shape[1]) == (y, x)


@pytest.mark.parametrize(
    "name",
    ["a very long name " * 9, "$x_1$ and 50 $", "two\nlines", "猫と犬", "", r"\frac [bold] {x} ~"],
)
def test_any_name_is_written_as_it_is_and_a_long_one_ends_in_dots(
    tmp_path: Path, name: str
) -> None:
    column = Column(name, "note", (Cell(np.zeros((2, 2), np.float32), 1.0),))
    figure = draw_panel(GRAY, name, ("after epoch 1",), [column])
    save_panel(figure, tmp_path / "panel.png")
    with Image.open(tmp_path / "panel.png") as panel:
        assert panel.width == pytest.approx(2 * CELL_INCHES * DPI, rel=0.1)
    written = {text.get_text() for text in figure.axes[1].texts}
    line = " ".join(name.split())
    assert any(text == line or (text[:-1] and line.startswith(text[:-1])) for text in written)


def test_a_very_long_picture_keeps_room_for_words() -> None:
    thin = Image.new("RGB", (1000, 10), (0, 90, 0))
    column = Column("name", "note", (Cell(np.zeros((2, 2), np.float32), 1.0),))
    figure = draw_panel(thin, "x.jpg", ("after epoch 1",), [column])
    width, height = figure.get_size_inches()
    assert width == pytest.approx(2 * CELL_INCHES, rel=0.1)
    assert CELL_INCHES / 3 < height < CELL_INCHES
