"""The charts of a study: a mean with its deviation a row, and a learning curve a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from cdul_edge.study.drawing import ACCENT, BASE, FAINT, GRID, Drawing, fit_axis
from cdul_edge.study.summary import Spread

_ROW_PX, _TOP_PX, _LETTER_PX = 22, 56, 7.4
_PLOT_PX, _VALUE_PX, _MARGIN_PX = 460, 110, 16
_PANEL_PX, _PANEL_HEIGHT_PX, _GAP_PX, _PANELS = 168, 96, 40, 5


@dataclass(frozen=True)
class Curves:
    """Values by epoch of one method, a list a seed; the labels' too, where they move."""

    heldout: Sequence[Sequence[float]]
    labels: Sequence[Sequence[float]]


def draw_spreads(
    title: str, unit: str, rows: Mapping[str, Mapping[int, float]], baseline: str | None = None
) -> str:
    """A row a name: every seed faint, the mean with its deviation, best first.

    Dots and no bars: the axis does not start at 0.

    Args:
        rows: name to its value by seed; one value or more each.
        baseline: the name whose mean is drawn through all rows.
    """
    spreads = {name: Spread.of(list(seeds.values())) for name, seeds in rows.items()}
    names = sorted(rows, key=lambda name: -spreads[name].mean)
    left = _MARGIN_PX + _LETTER_PX * max(map(len, names)) + 10
    ends = [v for one in spreads.values() for v in _ends(one)]
    ends += [value for seeds in rows.values() for value in seeds.values()]
    axis = fit_axis(ends, left, left + _PLOT_PX)
    bottom = _TOP_PX + _ROW_PX * len(names)
    picture = Drawing(left + _PLOT_PX + _VALUE_PX + _MARGIN_PX, bottom + 42)
    picture.text(_MARGIN_PX, 24, title, size=14, bold=True)
    for tick in axis.ticks(8):
        picture.line([(axis.at(tick), _TOP_PX - 8), (axis.at(tick), bottom)], GRID)
        picture.text(axis.at(tick), bottom + 16, f"{tick:g}", anchor="middle", color=FAINT)
    picture.text(left + _PLOT_PX / 2, bottom + 34, unit, anchor="middle", color=FAINT)
    if baseline in spreads:
        here = axis.at(spreads[baseline].mean)
        picture.line([(here, _TOP_PX - 8), (here, bottom)], BASE, width=2, dashed=True)
    for index, name in enumerate(names):
        middle, spread = _TOP_PX + _ROW_PX * (index + 0.5), spreads[name]
        picture.text(left - 10, middle + 4, name, anchor="end", bold=name == baseline)
        low, high = map(axis.at, _ends(spread))
        picture.line([(low, middle), (high, middle)], ACCENT, width=2)
        for end in (low, high):
            picture.line([(end, middle - 4), (end, middle + 4)], ACCENT, width=2)
        for value in rows[name].values():
            picture.dot(axis.at(value), middle, 3, FAINT, opacity=0.5)
        picture.dot(axis.at(spread.mean), middle, 4.5, ACCENT)
        picture.text(left + _PLOT_PX + 12, middle + 4, str(spread))
    return picture.to_svg()


def draw_curves(title: str, curves: Mapping[str, Curves], baseline: str) -> str:
    """A panel a method: held-out mAP by epoch, the baseline's behind it in gray.

    Labels that move are a dashed line. All panels have the same axes; means over the seeds.
    """
    means = {name: (_mean(one.heldout), _mean(one.labels)) for name, one in curves.items()}
    moving = {name: max(two) - min(two) > 1e-9 for name, (_, two) in means.items()}
    shown = [v for one, _ in means.values() for v in one]
    shown += [v for name, (_, two) in means.items() if moving[name] for v in two]
    columns = min(_PANELS, len(means))
    rows = -(-len(means) // columns)
    width = _GAP_PX + columns * (_PANEL_PX + _GAP_PX)
    picture = Drawing(max(width, 640), _TOP_PX + rows * (_PANEL_HEIGHT_PX + _GAP_PX) + 8)
    picture.text(_MARGIN_PX, 24, title, size=14, bold=True)
    legend = (
        f"blue: held-out mAP; gray: that of {baseline}; dashed: mAP of the labels, if they move"
    )
    picture.text(_MARGIN_PX, 40, legend, size=11, color=FAINT)
    for index, (name, (heldout, labels)) in enumerate(means.items()):
        left = _GAP_PX + index % columns * (_PANEL_PX + _GAP_PX)
        top = _TOP_PX + 16 + index // columns * (_PANEL_HEIGHT_PX + _GAP_PX)
        axis = fit_axis(shown, top + _PANEL_HEIGHT_PX, top)
        _frame(picture, name, left, top, len(heldout))
        for tick in axis.ticks(4):
            here = axis.at(tick)
            picture.line([(left, here), (left + _PANEL_PX, here)], GRID)
            picture.text(left - 5, here + 4, f"{tick:g}", anchor="end", size=10, color=FAINT)
        drawn = [(means[baseline][0], BASE, False)] if baseline in means else []
        drawn += [(labels, ACCENT, True)] if moving[name] else []
        for values, color, dashed in [*drawn, (heldout, ACCENT, False)]:
            step = _PANEL_PX / max(1, len(values) - 1)
            points = [(left + i * step, axis.at(value)) for i, value in enumerate(values)]
            picture.line(points, color, width=1.8, dashed=dashed)
    return picture.to_svg()


def _frame(picture: Drawing, name: str, left: float, top: float, epochs: int) -> None:
    bottom = top + _PANEL_HEIGHT_PX
    picture.text(left, top - 5, name, size=11, bold=True)
    picture.text(left, bottom + 12, "1", anchor="middle", size=10, color=FAINT)
    picture.text(
        left + _PANEL_PX, bottom + 12, f"epoch {epochs}", anchor="end", size=10, color=FAINT
    )


def _ends(spread: Spread) -> tuple[float, float]:
    reach = spread.deviation or 0.0
    return spread.mean - reach, spread.mean + reach


def _mean(seeds: Sequence[Sequence[float]]) -> list[float]:
    return [mean(values) for values in zip(*seeds, strict=True)]
