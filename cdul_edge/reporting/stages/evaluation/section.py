"""How good scores are: against truth, from a sample of answers, or as is to be expected."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.score_stream import ScoreStream, stream_scores
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.evaluation.charts import draw_evaluation
from cdul_edge.reporting.stages.evaluation.facts import (
    Basis,
    ClassCurves,
    EvaluatedClass,
    EvaluationFacts,
    Ranged,
)
from cdul_edge.reporting.stages.evaluation.read_evaluation import read_evaluation_json
from cdul_edge.reporting.stages.evaluation.score_bins import GRID, Curves, ScoreBins
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.metrics.doubt import LABELS_DOUBT
from cdul_edge_runtime.metrics.metrics import Truth
from cdul_edge_runtime.metrics.truth import read_truth

MOST_CURVES = 12  # classes with curves of their own, unless named

_BASES: dict[Basis, str] = {
    "truth": " (against truth)",
    "sampled": " (from a sample)",
    "expected": " (expected)",
}

Doubles = npt.NDArray[np.float64]


def read_evaluation(one: Input, asked: Asked) -> Section:
    """The section of one JSON of `evaluate`.

    Raises:
        CdulEdgeError: it is damaged.
    """
    facts, slope = read_evaluation_json(one.path)
    facts = _with_curves(facts, slope, asked.class_names)
    return Section(
        key=one.key,
        title=title_of(one, asked, _BASES[facts.basis]),
        template="report/evaluation.html",
        source=one.path,
        facts=facts,
        charts=draw_evaluation(facts, one.key),
    )


def _with_curves(facts: EvaluationFacts, slope: float, wanted: Sequence[str]) -> EvaluationFacts:
    """With what the scores themselves say, where they are at hand."""
    try:
        scores = stream_scores(Path(facts.scores))
    except CdulEdgeError:
        return replace(facts, note=f"the scores are no longer at {facts.scores}: no curves")
    if [one.name for one in facts.classes if one.name not in list(scores.classes)]:
        return replace(facts, note=f"{facts.scores} holds other classes by now: no curves")
    note, truth = "", None
    if facts.truth is not None:
        try:
            truth = _find_truth(Path(facts.truth), scores)
        except (CdulEdgeError, OSError):
            note = f"the truth is no longer at {facts.truth}: curves are expected ones"
    bins, given = _count(scores, truth, facts)
    if bins.outside:
        return replace(facts, note="scores lie outside 0 to 1: no curves")
    if truth is None and facts.basis != "expected" and scores.labelled_by is not None:
        slope = LABELS_DOUBT.slope
    curves = bins.expected_curves(slope) if truth is None else bins.true_curves()
    columns = [list(scores.classes).index(one.name) for one in facts.classes]
    classes = tuple(
        _with_best(None if truth is None else given[column], curves.f1[column], one)
        for column, one in zip(columns, facts.classes, strict=True)
    )
    shown = _choose(classes, wanted)
    means, shares = bins.reliability() if truth is not None else ([], [])
    return replace(
        facts,
        classes=classes,
        curves_basis="expected" if truth is None else "truth",
        thresholds=GRID,
        curves=tuple(_curves_of(curves, columns[i], classes[i].name) for i in shown),
        reliability_score=tuple(means),
        reliability_share=tuple(shares),
        note=note,
    )


def _find_truth(file: Path, scores: ScoreStream) -> Truth:
    paths = [path for rows in scores for path in rows.paths]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CdulEdgeWarning)  # `evaluate` said it
        return read_truth(file).for_paths(paths, scores.classes, scores.root)


def _count(
    scores: ScoreStream, truth: Truth | None, facts: EvaluationFacts
) -> tuple[ScoreBins, list[tuple[int, int, int]]]:
    """Bins, and by class: hits, labels given and labels there, at the evaluation's thresholds."""
    bins, done = ScoreBins(len(scores.classes)), 0
    told = {one.name: one.threshold for one in facts.classes}
    limits = [told.get(name) for name in scores.classes]
    thresholds = np.array([math.inf if one is None else one for one in limits], np.float32)
    counts = np.zeros((3, len(scores.classes)), np.int64)
    for rows in scores:
        known = None if truth is None else truth[done : done + len(rows.paths)]
        done += len(rows.paths)
        bins.add(rows.scores, known)
        if known is not None:
            given, there = (rows.scores >= thresholds) & (known >= 0), known == 1
            counts += np.stack([(given & there).sum(0), given.sum(0), there.sum(0)])
    return bins, [(int(h), int(g), int(t)) for h, g, t in counts.T]


def _with_best(
    counts: tuple[int, int, int] | None, f1: Doubles, one: EvaluatedClass
) -> EvaluatedClass:
    """With the highest F1, and with what its labels are worth where truth was `counts`."""
    if np.isfinite(f1).any():
        best = int(np.nanargmax(f1))
        one = replace(one, best_f1=100 * float(f1[best]), best_threshold=GRID[best])
    if counts is None or one.precision is not None:
        return one
    hits, given, there = counts
    return replace(
        one,
        precision=Ranged(100 * hits / given if given else None, None, None),
        recall=Ranged(100 * hits / there if there else None, None, None),
        # As in `macro_f1`, a class that no picture shows has none.
        f1=Ranged(200 * hits / (given + there) if there else None, None, None),
        predicted=given,
    )


def _choose(classes: Sequence[EvaluatedClass], wanted: Sequence[str]) -> list[int]:
    """Places of the classes with curves: those named, else those with the lowest known F1."""
    if wanted:
        return [i for i, one in enumerate(classes) if one.name in wanted]

    def f1(place: int) -> float:
        found = classes[place].f1
        return math.inf if found is None or found.value is None else found.value

    return sorted(sorted(range(len(classes)), key=f1)[:MOST_CURVES])


def _curves_of(curves: Curves, column: int, name: str) -> ClassCurves:
    def plain(values: Doubles) -> tuple[float | None, ...]:
        return tuple(None if math.isnan(one) else one for one in values.tolist())

    return ClassCurves(
        name,
        plain(curves.precision[column]),
        plain(curves.recall[column]),
        plain(curves.f1[column]),
    )
