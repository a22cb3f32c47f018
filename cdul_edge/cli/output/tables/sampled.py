"""How `cdul-edge evaluate --sampled` shows what people's answers say."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from cdul_edge.cli.output.tables.classes import draw_classes, show_interval

if TYPE_CHECKING:
    from rich.console import Console

    from cdul_edge.front.sampled_evaluation import SampledClass, SampledResult

_HEADINGS = ("class", "predicted", "answered", "precision, %", "recall, %", "F1, %")
_SOME = 20
_show = partial(show_interval, digits=0)  # six columns of these fit 80 characters


def show_sampled(result: SampledResult, console: Console) -> None:
    """Show what the answers say class by class, then of all classes, and what is still open."""
    title = "Estimate from answers (95 % intervals)"
    console.print(draw_classes(title, _HEADINGS, result.classes, _cells))
    console.print(f"macro F1  {show_interval(result.macro_f1, digits=1)}", style="bold")
    asked, answered = (
        sum(getattr(one, key) for one in result.classes.values()) for key in ("asked", "answered")
    )
    console.print(f"{answered} answers to {asked} questions about {result.pictures} pictures")
    for line in _open_points(result):
        console.print(line, style="yellow")


def _cells(one: SampledClass) -> list[str]:
    figures = map(_show, (one.precision, one.recall, one.f1))
    return [f"{one.predicted:,}", f"{one.answered} of {one.asked}", *figures]


def _open_points(result: SampledResult) -> list[str]:
    from cdul_edge_runtime.bundle.classes import name_some

    classes = result.classes
    unsure = sum(one.unsure for one in classes.values())
    remaining = {name: one.remaining for name, one in classes.items() if one.remaining}
    joined = {name: one.joined for name, one in classes.items() if one.joined}
    unknown = [name for name, one in classes.items() if math.isnan(one.f1.value)]
    lines = []
    if unsure:
        lines.append(
            f"{unsure} answered ?: these pictures are taken to be like the others of their stratum"
        )
    if remaining:
        lines.append(f"{sum(remaining.values())} remain: {_some(remaining)}")
    if joined:
        lines.append(
            f"strata without an answer are taken to be like the ones beside them: {_some(joined)}"
        )
    if unknown:
        lines.append(
            f"left out of macro F1, for want of answers or of a positive: {name_some(unknown)}"
        )
    return lines


def _some(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:_SOME])
    return shown + f" and {len(counts) - _SOME} more classes" * (len(counts) > _SOME)
