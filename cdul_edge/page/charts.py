"""Small charts that a page of 400 pixels holds, drawn by matplotlib without any display.

`to_inline_svg` puts one into a page, `to_svg` into a file of its own. Names are shown as they are:
no sign of them is a formula, and what cannot be drawn is spelled out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from cdul_edge.page.svg import (
    CHARACTERS,
    SERIES,
    charts_style,
    spell_out,
    to_inline_svg,
    to_label,
    to_svg,
    width_of,
)

__all__ = [
    "ACCENT", "FAINT", "INK", "LINE", "SERIES", "SOFT", "Interval", "charts_style", "draw_curve",
    "draw_heat_map", "draw_histogram", "draw_intervals", "draw_lines", "to_inline_svg", "to_label",
    "to_svg",
]  # fmt: skip

INK, FAINT, LINE, ACCENT, SOFT = "#222222", "#777777", "#dddddd", SERIES[0], "#a5bfdc"
_WIDE_IN, _HIGH_IN, _ROW_IN, _CELL_IN, _LETTER_IN, _BELOW_IN = 3.6, 2.1, 0.22, 0.2, 0.078, 0.25
_DASHES = ("-", "--", ":")
# A matrix of so few columns has room for figures, which are read on its strongest color.
_FIGURES, _STRONGEST = 12, 0.75


@dataclass(frozen=True)
class Interval:
    """A value and where it may lie: `low <= value <= high`; None, where nothing is known."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None


def draw_histogram(
    counts: Sequence[int],
    edges: Sequence[float],
    threshold: float | None = None,
    *,
    x_label: str = "score",
    y_label: str = "images",
    scale: Literal["linear", "log"] = "linear",
) -> Figure:
    """Bars, and a dashed line at the threshold, with its value; those right of it are stronger.

    Args:
        counts: N.
        edges: N + 1, rising.
        threshold: None, where there is none; infinite: none of the bars reaches it; one outside
            the edges widens the axis.
        x_label, y_label: of the axes.
        scale: "log" shows few beside many: the axis rises tenfold at even steps above 1.
    """
    with charts_style():
        figure, axes = _make_figure(_HIGH_IN)
        bins = list(pairwise(edges))
        strong = [threshold is None or low + high >= 2 * threshold for low, high in bins]
        axes.bar(
            [low for low, _ in bins], counts, [high - low for low, high in bins], align="edge",
            color=[ACCENT if one else SOFT for one in strong], linewidth=0,
        )  # fmt: skip
        if scale == "log":
            _rise_tenfold(axes, max(counts, default=0))
        else:
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
            axes.yaxis.set_major_formatter(FuncFormatter(_count))
            axes.set_ylim(0, max(1.0, 1.05 * max(counts, default=0)))
        marked = threshold if threshold is not None and math.isfinite(threshold) else None
        axes.set_xlim(*_span([*edges, *([] if marked is None else [marked])]))
        if marked is not None:
            _mark(axes, marked, "threshold")
        _name_axes(axes, x_label, y_label)
        axes.grid(visible=False, axis="x")
    return figure


def draw_lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float | None]]],
    x_label: str,
    y_label: str,
) -> Figure:
    """A line per name; None leaves a gap, and a lone point is a dot.

    Args:
        series: name to x and y of the same length; those beyond the 24th are faint and unnamed.
        x_label, y_label: of the axes. An axis that holds whole numbers only has ticks there.
    """
    with charts_style():
        named = list(series)[: len(SERIES) * len(_DASHES)]
        figure, axes = _make_figure(_HIGH_IN + _ROW_IN * math.ceil(len(named) / 2))
        handles = []
        for place, (name, (x, y)) in enumerate(series.items()):
            values = np.array([math.nan if one is None else one for one in y], dtype=float)
            known = name in named
            (line,) = axes.plot(
                x, values, _DASHES[place // len(SERIES)] if known else "-",
                color=SERIES[place % len(SERIES)] if known else LINE, zorder=2 if known else 1,
                marker="o" if _has_lone_point(values) else "", ms=4,
            )  # fmt: skip
            handles += [line] if known else []
        if all(float(one).is_integer() for x, _ in series.values() for one in x):
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        if len(series) > 1:
            labels = [to_label(name) for name in named]
            figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=8)
        _name_axes(axes, x_label, y_label)
    return figure


def draw_curve(
    x: Sequence[float],
    ys: Mapping[str, Sequence[float | None]],
    marked: float | None = None,
    *,
    x_label: str = "threshold",
    y_label: str = "",
) -> Figure:
    """Values in [0, 1] over one x, as precision and recall over the threshold; `marked` is dashed.

    Args:
        x: N, rising.
        ys: name to N values.
        marked: an x that is drawn through all, with its value.
        x_label, y_label: of the axes.
    """
    figure = draw_lines({name: (x, y) for name, y in ys.items()}, x_label, y_label)
    with charts_style():
        (axes,) = figure.axes
        axes.set_ylim(-0.02, 1.02)
        if marked is not None:
            _mark(axes, marked, "")
    return figure


def draw_intervals(
    rows: Sequence[Interval], x_label: str = "", *, reference: float | None = None
) -> Figure:
    """A dot per row with its interval as a bar, and a dashed line through all at `reference`.

    Dots instead of bars, because the axis does not start at 0.
    """
    with charts_style():
        figure, axes = _make_figure(0.5 + _ROW_IN * max(1, len(rows)))
        for place, row in enumerate(rows):
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [place, place], "|-", color=ACCENT, ms=6, lw=1.4)
            if row.value is not None:
                axes.plot([row.value], [place], "o", color=ACCENT, ms=5)
        if reference is not None:
            axes.axvline(reference, color=FAINT, linestyle="--", lw=1)
        axes.set_yticks(range(len(rows)), [to_label(row.name) for row in rows], color=INK)
        axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        _name_axes(axes, x_label, "")
    return figure


def draw_heat_map(
    matrix: Sequence[Sequence[float | None]] | npt.NDArray[np.float64],
    row_names: Sequence[str],
    column_names: Sequence[str],
    *,
    highest: float | None = None,
    digits: int = 0,
    unit: str = "",
) -> Figure:
    """Cells from the page's own color at 0 to full at `highest`; None and NaN stay empty.

    Args:
        matrix: R x C values of 0 or more. Few columns show their figures as well.
        row_names: R.
        column_names: C.
        highest: what the full color stands for; None: the highest value of the matrix.
        digits, unit: of the figures, and of what is said of the full color below the map.
    """
    with charts_style():
        shape = (len(row_names), len(column_names))
        values = np.array(matrix, dtype=float).reshape(shape)
        top = float(np.nanmax(values, initial=0.0)) if highest is None else highest
        shares = np.clip(np.nan_to_num(values / top if top > 0 else values * 0), 0, 1)
        rows, columns = (
            [to_label(name, CHARACTERS // 2) for name in names]
            for names in (row_names, column_names)
        )
        figure, axes = _make_grid(rows, columns)
        colors = np.empty((*shape, 4))
        # Between the accents of the light and the dark page.
        colors[..., :3] = np.array([0x3F, 0x83, 0xCC]) / 255
        colors[..., 3] = _STRONGEST * shares
        if values.size:
            axes.imshow(colors, interpolation="none", aspect="auto")
        if shape[1] <= _FIGURES:
            for row, column in zip(*np.nonzero(~np.isnan(values)), strict=True):
                text = f"{values[row, column]:,.{digits}f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=INK)
        full = f"full color: {top:,.{digits}f} {unit}".strip()
        axes.text(
            0,
            -4 / (72 * _CELL_IN * max(1, shape[0])),
            full,
            transform=axes.transAxes,
            va="top",
            fontsize=8,
            color=FAINT,
        )
        axes.xaxis.tick_top()
        axes.set_xticks(range(shape[1]), columns, color=INK, rotation=90)
        axes.set_yticks(range(shape[0]), rows, color=INK)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    return figure


def _make_figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDE_IN, height), layout="constrained")
    return figure, figure.add_subplot()


def _make_grid(rows: Sequence[str], columns: Sequence[str]) -> tuple[Figure, Axes]:
    """Axes with cells of one size, and beside them room for the names."""
    left = 0.15 + _LETTER_IN * max(map(width_of, rows), default=0)
    above = 0.15 + _LETTER_IN * max(map(width_of, columns), default=0)
    wide = (_CELL_IN if len(columns) > _FIGURES else 2 * _CELL_IN) * max(1, len(columns))
    high = _CELL_IN * max(1, len(rows))
    size = (max(left + wide + 0.1, left + 1.6), above + high + _BELOW_IN)
    figure = Figure(figsize=size)
    axes = figure.add_axes((left / size[0], _BELOW_IN / size[1], wide / size[0], high / size[1]))
    return figure, axes


def _name_axes(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(spell_out(x_label), color=FAINT)
    axes.set_ylabel(spell_out(y_label), color=FAINT)


def _mark(axes: Axes, x: float, what: str) -> None:
    axes.axvline(x, color=INK, linestyle="--", lw=1)
    low, high = axes.get_xlim()
    right = x > (low + high) / 2
    axes.annotate(
        f"{what} {x:.3g}".strip(), (x, 1), (-4 if right else 4, -1), va="top",
        xycoords=axes.get_xaxis_transform(), textcoords="offset points",
        ha="right" if right else "left", fontsize=8, color=INK,
    )  # fmt: skip


def _rise_tenfold(axes: Axes, highest: int) -> None:
    powers = [0, *(10**power for power in range(1 + math.ceil(math.log10(max(highest, 1)))))]
    axes.set_yscale("symlog", linthresh=1, linscale=0.3)
    axes.yaxis.set_major_locator(FixedLocator(powers[-1 :: -max(1, len(powers) // 4)][::-1]))
    axes.yaxis.set_major_formatter(FuncFormatter(_count))
    axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.set_ylim(0, max(1.0, highest * 1.3))


def _count(value: float, _place: object) -> str:
    """1,500 as 1.5k, and 2,000,000 as 2M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _has_lone_point(values: npt.NDArray[np.float64]) -> bool:
    known = np.concatenate([[False], ~np.isnan(values), [False]])
    return bool((known[1:-1] & ~known[:-2] & ~known[2:]).any())
