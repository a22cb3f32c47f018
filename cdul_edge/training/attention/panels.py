"""Class activation maps laid over a picture: a column per class, a row per state of training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from PIL import Image

Floats = npt.NDArray[np.float32]

COLORS = "inferno"  # from dark to light at even steps, so that a gray print keeps the order
HEAT = 0.6  # opacity of a map over the gray picture
CELL_INCHES, GAP_INCHES, LINE_INCHES, DPI = 2.4, 0.12, 0.17, 100
INK, FAINT = "#191919", "#6e6e6e"
# Asked in this order where a class name needs letters that matplotlib's own font lacks.
_WIDE_FONTS = ("Noto Sans CJK JP", "Noto Sans", "Arial Unicode MS", "Hiragino Sans", "Yu Gothic")
_CHARACTERS = 36  # that fit above a cell


@dataclass(frozen=True)
class Cell:
    """One map: its values (h, w), and the score in [0, 1] that its network gives the class."""

    values: Floats
    score: float


@dataclass(frozen=True)
class Column:
    """A class: its name, a note below it, and a cell per row."""

    name: str
    note: str
    cells: tuple[Cell, ...]


def draw_panel(
    picture: Image.Image, name: str, rows: Sequence[str], columns: Sequence[Column]
) -> Figure:
    """The picture at the left, then a column per class; scores and ranges stand below each map.

    Args:
        picture: RGB, what the network was shown of it.
        name: Of the picture.
        rows: What each row is, such as "after epoch 1".
    """
    figure, axes = _make_grid(picture, len(rows), 1 + len(columns))
    shown = axes[0][0]
    shown.imshow(picture)
    _write_above(shown, "", name)
    for below in axes[1:]:
        below[0].set_visible(False)
    scale = figure.colorbar(
        ScalarMappable(cmap=COLORS), cax=_below(figure, shown), orientation="horizontal"
    )
    scale.set_ticks([0, 1], labels=["low", "high"], color=FAINT, fontsize=8)
    for place, column in enumerate(columns, start=1):
        _write_above(axes[0][place], column.name, column.note)
        for row, (title, cell) in enumerate(zip(rows, column.cells, strict=True)):
            lay_over(axes[row][place], picture, cell.values)
            span = f"map {cell.values.min():.3g} to {cell.values.max():.3g}"
            axes[row][place].set_xlabel(f"{title}: {cell.score:.2f}\n{span}", fontsize=8, color=INK)
    return figure


def save_panel(figure: Figure, file: Path) -> None:
    """Write a panel as PNG."""
    with warnings.catch_warnings():
        # Letters that no font here has are drawn as boxes; index.json has the names.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(file, format="png", dpi=DPI)


def lay_over(axes: Axes, picture: Image.Image, values: Floats) -> None:
    """A map in colors over the gray picture; its own lowest value is dark, its highest light."""
    low, high = float(values.min()), float(values.max())
    edges = (0, picture.width, picture.height, 0)
    axes.imshow(picture.convert("L"), cmap="gray", vmin=0, vmax=255, extent=edges)
    axes.imshow(
        values, cmap=COLORS, vmin=low, vmax=high if high > low else low + 1, alpha=HEAT,
        extent=edges, interpolation="bilinear",
    )  # fmt: skip


def _make_grid(
    picture: Image.Image, rows: int, columns: int
) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """Axes of the picture's shape, with room for two lines above the first row and below each."""
    scale = CELL_INCHES / max(picture.size)
    # A very long picture keeps room for the words below it.
    width, height = (max(CELL_INCHES / 3, side * scale) for side in picture.size)
    between = 2.5 * LINE_INCHES + GAP_INCHES
    above = 2.5 * LINE_INCHES
    total_width = GAP_INCHES + columns * (width + GAP_INCHES)
    total_height = above + rows * (height + between)
    figure = Figure(figsize=(total_width, total_height), dpi=DPI)
    axes = figure.subplots(
        rows, columns, squeeze=False,
        gridspec_kw={
            "left": GAP_INCHES / total_width, "right": 1 - GAP_INCHES / total_width,
            "top": 1 - above / total_height, "bottom": between / total_height,
            "wspace": GAP_INCHES / width, "hspace": between / height,
        },
    )  # fmt: skip
    for one in axes.flat:
        one.set_xticks([])
        one.set_yticks([])
        one.set_frame_on(False)
    return figure, axes.tolist()


def _below(figure: Figure, axes: Axes) -> Axes:
    """A thin strip below other axes."""
    box, line = axes.get_position(), LINE_INCHES / figure.get_figheight()
    return figure.add_axes((box.x0, box.y0 - 0.8 * line, box.width, 0.5 * line))


def _write_above(axes: Axes, name: str, note: str) -> None:
    """Two lines of plain text: "$" in a name is no formula."""
    # In points, from the top edge of the axes.
    for line, (text, color) in enumerate(((note, FAINT), (name, INK))):
        axes.annotate(
            _shorten(text), (0, 1), (0, 3 + line * 72 * LINE_INCHES), xycoords="axes fraction",
            textcoords="offset points", fontsize=9, color=color, parse_math=False,
            family=_families(), annotation_clip=False,
        )  # fmt: skip


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CHARACTERS else f"{line[: _CHARACTERS - 1]}…"


@cache
def _families() -> list[str]:
    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in _WIDE_FONTS if name in installed)]
