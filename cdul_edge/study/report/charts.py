"""The charts of a study: a mean with its deviation per row, and a learning curve per panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cdul_edge.page.charts import ACCENT, FAINT, INK, charts_style
from cdul_edge.study.report.summary import Spread

BASE = "#909090"
# Percent; a narrower axis would show what the figures beside it round away.
LEAST_SPAN = 1.0
_COLUMNS = 5
_ROW_IN, _PANEL_IN = 0.27, (2.1, 1.55)


@dataclass(frozen=True)
class Curves:
    """Values by epoch of one method, a list per seed; the labels' too, where they move."""

    heldout: Sequence[Sequence[float]]
    labels: Sequence[Sequence[float]]


def plot_spreads(
    title: str, unit: str, rows: Mapping[str, Mapping[int, float]], baseline: str | None = None
) -> Figure:
    """One row per name: every seed faint, the mean with its sample deviation, the best on top.

    Dots instead of bars, because the axis does not start at 0.

    Args:
        title: of the chart.
        unit: what the axis shows.
        rows: name to its value by seed; one value or more each.
        baseline: the name whose mean is drawn through all rows.
    """
    spreads = {name: Spread.of(list(seeds.values())) for name, seeds in rows.items()}
    names = _best_first(spreads)
    with charts_style():
        figure = Figure(figsize=(8.2, 1.1 + _ROW_IN * len(names)), layout="constrained")
        axes = figure.add_subplot()
        for place, name in enumerate(names):
            seeds, spread = list(rows[name].values()), spreads[name]
            axes.plot(seeds, [place] * len(seeds), "o", color=FAINT, alpha=0.5, ms=4.5, mew=0)
            axes.errorbar(
                spread.mean, place, xerr=spread.deviation or 0.0, fmt="o", color=ACCENT,
                ms=6.5, capsize=3.5, elinewidth=1.6, label=name,
            )  # fmt: skip
            axes.annotate(
                str(spread), (1.02, place), xycoords=axes.get_yaxis_transform(), va="center"
            )
        if baseline in spreads:
            axes.axvline(spreads[baseline].mean, color=BASE, linestyle="--", zorder=0.5)
            unit = f"{unit}; dashed: mean of {baseline}"
        axes.set_yticks(range(len(names)), names, color=INK)
        for text in axes.get_yticklabels():
            text.set_fontweight("bold" if text.get_text() == baseline else "normal")
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(length=0)
        _widen(axes, "x")
        axes.set_xlabel(unit, color=FAINT)
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def describe_spreads(rows: Mapping[str, Mapping[int, float]]) -> str:
    """In words what `plot_spreads` shows, the best first."""
    spreads = {name: Spread.of(list(seeds.values())) for name, seeds in rows.items()}
    return "; ".join(f"{name} {spreads[name]}" for name in _best_first(spreads))


def plot_curves(title: str, curves: Mapping[str, Curves], baseline: str) -> Figure:
    """One panel per method: held-out mAP by epoch, the baseline's behind it in gray.

    Labels that move are a dashed line. All panels have the same axes; values are means over the
    seeds.

    Args:
        title: of the chart.
        curves: method to its values.
        baseline: the method behind all others.
    """
    means = {name: (_mean(one.heldout), _mean(one.labels)) for name, one in curves.items()}
    columns = min(_COLUMNS, len(means))
    rows = -(-len(means) // columns)
    with charts_style():
        width, height = _PANEL_IN
        size = (max(6.5, width * columns), 0.7 + height * rows)
        figure = Figure(figsize=size, layout="constrained")
        grid = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
        for axes, (name, (heldout, labels)) in zip(grid, means.items(), strict=False):
            if baseline in means:
                _line(axes, means[baseline][0], BASE, f"{baseline}, held-out mAP")
            if max(labels) - min(labels) > 1e-9:
                _line(axes, labels, ACCENT, "mAP of the labels, if they move", dashed=True)
            _line(axes, heldout, ACCENT, "held-out mAP")
            axes.set_title(name, loc="left", fontweight="bold", color=INK)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
            axes.tick_params(length=0, labelbottom=True)
        for axes in grid[len(means) :]:
            axes.remove()
        _widen(figure.axes[0], "y")
        figure.supxlabel("epoch", fontsize=9, color=FAINT)
        figure.supylabel("mAP, %", fontsize=9, color=FAINT)
        lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
        figure.legend(
            list(lines.values()), list(lines), loc="outside upper right", ncols=3, frameon=False
        )
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def _best_first(spreads: Mapping[str, Spread]) -> list[str]:
    return sorted(spreads, key=lambda name: -spreads[name].mean)


def _line(
    axes: Axes, values: Sequence[float], color: str, label: str, *, dashed: bool = False
) -> None:
    dashes = "--" if dashed else "-"
    marker = "o" if len(values) == 1 else ""
    epochs = range(1, len(values) + 1)
    axes.plot(
        epochs, values, linestyle=dashes, marker=marker, color=color, label=label, lw=1.6, ms=4
    )


def _widen(axes: Axes, side: str) -> None:
    """Let the axis span `LEAST_SPAN` or more."""
    low, high = axes.get_xlim() if side == "x" else axes.get_ylim()
    missing = max(0.0, LEAST_SPAN - (high - low)) / 2
    (axes.set_xlim if side == "x" else axes.set_ylim)(low - missing, high + missing)


def _mean(seeds: Sequence[Sequence[float]]) -> list[float]:
    return [mean(values) for values in zip(*seeds, strict=True)]
