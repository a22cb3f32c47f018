"""Charts of an evaluation: F1 with intervals, curves over the threshold, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from cdul_edge.page.charts import (
    Interval,
    draw_curve,
    draw_intervals,
    draw_lines,
    to_inline_svg,
)
from cdul_edge.reporting.stages.evaluation.facts import (
    ClassCurves,
    EvaluatedClass,
    EvaluationFacts,
)

MOST_ROWS = 40
_BASES = {"truth": "", "sampled": "", "expected": "expected "}


def draw_evaluation(facts: EvaluationFacts, key: str) -> dict[str, Markup]:
    """Charts by name; "curve-3" is of the fourth class with curves."""
    charts = {}
    ranged = [one for one in facts.classes if one.f1 is not None and one.f1.low is not None]
    if ranged:
        charts["f1"] = _draw_f1(ranged, _BASES[facts.basis], key)
    expected = "expected " if facts.curves_basis == "expected" else ""
    # A class that no picture shows has no recall.
    shown = [one for one in facts.curves if any(r is not None for r in one.recall)]
    if shown:
        charts["pr"] = _draw_pr(shown, expected, key)
    by_name = {one.name: one for one in facts.classes}
    for place, one in enumerate(facts.curves):
        known = by_name[one.name]
        charts[f"curve-{place}"] = to_inline_svg(
            draw_curve(
                facts.thresholds,
                {"precision": one.precision, "recall": one.recall, "F1": one.f1},
                known.threshold,
                y_label=f"{expected}share".strip(),
            ),
            key=f"{key}-curve-{place}",
            title=f"{expected}precision, recall and F1 of {one.name} by threshold".strip(),
            description=_say_best(known),
        )
    if any(one is not None for one in facts.reliability_score):
        charts["reliability"] = _draw_reliability(facts, key)
    return charts


def _draw_f1(classes: Sequence[EvaluatedClass], basis: str, key: str) -> Markup:
    """Of many classes, those with the lowest known F1."""
    rows = [Interval(c.name, c.f1.value, c.f1.low, c.f1.high) for c in classes if c.f1 is not None]
    rows = sorted(rows, key=lambda row: math.inf if row.value is None else row.value)[:MOST_ROWS]
    return to_inline_svg(
        draw_intervals(rows, f"{basis}F1, percent"),
        key=f"{key}-f1",
        title=f"{basis}F1 of each class with its 95 % interval".strip(),
        description="; ".join(
            f"{row.name}: {_shown(row.value)} ({_shown(row.low)} to {_shown(row.high)})"
            for row in rows
        ),
    )


def _draw_pr(curves: Sequence[ClassCurves], expected: str, key: str) -> Markup:
    series = {
        one.name: (
            [0.0 if r is None else r for r in reversed(one.recall)],
            list(reversed(one.precision)),
        )
        for one in curves
    }
    return to_inline_svg(
        draw_lines(series, f"{expected}recall", f"{expected}precision"),
        key=f"{key}-pr",
        title=f"{expected}precision over recall".strip(),
        description=f"One line for each of {len(series)} classes.",
    )


def _draw_reliability(facts: EvaluationFacts, key: str) -> Markup:
    pairs = list(zip(facts.reliability_score, facts.reliability_share, strict=True))
    known = [(score, share) for score, share in pairs if score is not None]
    scores = [score for score, _ in known]
    series: dict[str, tuple[list[float], list[float | None]]] = {
        "as it is": (scores, [share for _, share in known]),
        "perfect": ([0.0, 1.0], [0.0, 1.0]),
    }
    return to_inline_svg(
        draw_lines(series, "mean score", "share that is right"),
        key=f"{key}-reliability",
        title="Calibration: how often a score is right",
        description="; ".join(f"score {s:.2f}: {_shown(share, 2)}" for s, share in known),
    )


def _say_best(one: EvaluatedClass) -> str:
    if one.best_f1 is None or one.best_threshold is None:
        return "no image shows it, so that it has no F1"
    return f"best F1 {one.best_f1:.1f} percent at a threshold of {one.best_threshold:.3f}"


def _shown(value: float | None, digits: int = 1) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
