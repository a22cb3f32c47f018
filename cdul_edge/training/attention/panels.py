"""Class activation maps laid over a picture, one column a class and one row a state of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Floats = npt.NDArray[np.float32]
Colors = npt.NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

CELL_PX = 240  # the longer side of a picture
LINE_PX, MARGIN_PX = 17, 12
INK, FAINT = (25, 25, 25), (110, 110, 110)
# From dark to light at even steps, so that a gray print keeps the order: nine stops of the
# "inferno" of Smith and van der Walt, which is in the public domain (CC0).
_STOPS = (
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51),
    (249, 140, 10), (249, 201, 50), (252, 255, 164),
)  # fmt: skip
_HEAT = 0.6  # share of the map's color over the gray picture


@dataclass(frozen=True)
class Cell:
    """One map: its values (h, w), and the score in [0, 1] that its network gives the class."""

    values: Floats
    score: float


@dataclass(frozen=True)
class Column:
    """A class: its name, a word on it, and a cell a row."""

    name: str
    note: str
    cells: tuple[Cell, ...]


@cache
def color_table() -> Colors:
    """(256, 3) uint8 RGB from the lowest to the highest value."""
    stops = np.array(_STOPS, np.float64)
    places = np.linspace(0, len(stops) - 1, 256)
    channels = [np.interp(places, np.arange(len(stops)), stops[:, c]) for c in range(3)]
    table: Colors = np.stack(channels, axis=1).round().astype(np.uint8)
    return table


def lay_over(picture: Image.Image, values: Floats) -> Image.Image:
    """A map in colors over the gray picture; its own lowest value is dark, its highest light."""
    low, high = float(values.min()), float(values.max())
    shares = (values - low) / (high - low) if high > low else np.zeros_like(values)
    large = Image.fromarray(shares.astype(np.float32)).resize(
        picture.size, Image.Resampling.BILINEAR
    )
    places = (255 * np.asarray(large)).round().clip(0, 255).astype(np.uint8)
    heat = Image.fromarray(color_table()[places])
    return Image.blend(picture.convert("L").convert("RGB"), heat, _HEAT)


def draw_panel(
    picture: Image.Image, name: str, rows: Sequence[str], columns: Sequence[Column]
) -> Image.Image:
    """The picture at the left, then a column a class; scores and ranges stand below each map.

    Args:
        picture: RGB, what the network was shown of it.
        name: of the picture.
        rows: what each row is, such as "after epoch 1".
    """
    cell = _fit(picture)
    width = MARGIN_PX + (cell.width + MARGIN_PX) * (1 + len(columns))
    step = cell.height + 2 * LINE_PX + MARGIN_PX
    top = MARGIN_PX + 2 * LINE_PX
    panel = Image.new("RGB", (width, top + step * len(rows)), "white")
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(13)
    panel.paste(cell, (MARGIN_PX, top))
    _write(draw, (MARGIN_PX, MARGIN_PX + LINE_PX), name, font, FAINT, cell.width)
    _draw_scale(panel, draw, (MARGIN_PX, top + cell.height + 4), cell.width, font)
    for place, column in enumerate(columns, start=1):
        left = MARGIN_PX + place * (cell.width + MARGIN_PX)
        _write(draw, (left, MARGIN_PX), column.name, font, INK, cell.width)
        _write(draw, (left, MARGIN_PX + LINE_PX), column.note, font, FAINT, cell.width)
        for row, (title, found) in enumerate(zip(rows, column.cells, strict=True)):
            edge = top + row * step
            panel.paste(lay_over(cell, found.values), (left, edge))
            words = f"{title}: {found.score:.2f}"
            _write(draw, (left, edge + cell.height + 2), words, font, INK, cell.width)
            span = f"map {found.values.min():.3g} to {found.values.max():.3g}"
            where = (left, edge + cell.height + 2 + LINE_PX)
            _write(draw, where, span, font, FAINT, cell.width)
    return panel


def _fit(picture: Image.Image) -> Image.Image:
    scale = CELL_PX / max(picture.size)
    # a very long picture keeps room for the words below it
    size = tuple(max(CELL_PX // 3, round(side * scale)) for side in picture.size)
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _draw_scale(
    panel: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int], width: int, font: Font
) -> None:
    left, top = place
    bar = Image.fromarray(color_table()[None]).resize((width, LINE_PX // 2))
    panel.paste(bar, (left, top))
    _write(draw, (left, top + LINE_PX // 2 + 2), "low", font, FAINT, width)
    right = left + width - draw.textlength("high", font=font)
    draw.text((right, top + LINE_PX // 2 + 2), "high", fill=FAINT, font=font)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    font: Font,
    color: tuple[int, int, int],
    width: int,
) -> None:
    """One line, cut to the cell with three dots."""
    shown = text
    while shown and draw.textlength(shown, font=font) > width:
        text = text[:-1]
        shown = f"{text}..."
    draw.text(place, shown, fill=color, font=font)
