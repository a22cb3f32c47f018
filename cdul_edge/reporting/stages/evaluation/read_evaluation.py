"""The three kinds of JSON that `evaluate` writes, as facts."""

from __future__ import annotations

from pathlib import Path

from cdul_edge.reporting.stages.evaluation.facts import (
    EvaluatedClass,
    EvaluationFacts,
    Ranged,
    StoredEstimate,
    StoredSample,
    StoredTruth,
)
from cdul_edge.reporting.stages.metrics_facts import MetricsFacts
from cdul_edge.reporting.stages.stage_json import read_stage
from cdul_edge_runtime.host.files import read_json

_COMMAND = "evaluate"


def read_evaluation_json(file: Path) -> tuple[EvaluationFacts, float]:
    """What a file says, and the slope by which its scores' log-odds are taken.

    Raises:
        CdulEdgeError: it is damaged.
    """
    content: object = read_json(file)
    if isinstance(content, dict) and "sheet" in content:
        return _of_sample(read_stage(file, StoredSample, _COMMAND)), 1.0
    if isinstance(content, dict) and "estimate" in content:
        stored = read_stage(file, StoredEstimate, _COMMAND)
        return _of_estimate(stored), stored.doubt.slope
    metrics = read_stage(file, MetricsFacts, _COMMAND)
    return _of_truth(read_stage(file, StoredTruth, _COMMAND), metrics), 1.0


def _of_truth(stored: StoredTruth, metrics: MetricsFacts) -> EvaluationFacts:
    return EvaluationFacts(
        basis="truth",
        scores=stored.scores,
        truth=stored.truth,
        pictures=metrics.pictures,
        metrics=metrics,
        thresholds_rule=stored.thresholds.rule,
        classes=tuple(
            EvaluatedClass(
                name=name,
                ap=Ranged(ap, None, None),
                threshold=stored.thresholds.values.get(name),
            )
            for name, ap in metrics.ap.items()
        ),
    )


def _of_sample(stored: StoredSample) -> EvaluationFacts:
    return EvaluationFacts(
        basis="sampled",
        scores=stored.scores,
        sheet=stored.sheet,
        pictures=stored.pictures,
        macro_f1=stored.macro_f1,
        classes=tuple(
            EvaluatedClass(
                name=name,
                precision=one.precision,
                recall=one.recall,
                f1=one.f1,
                predicted=one.predicted,
                answered=one.answered,
                remaining=one.remaining,
            )
            for name, one in stored.classes.items()
        ),
    )


def _of_estimate(stored: StoredEstimate) -> EvaluationFacts:
    return EvaluationFacts(
        basis="expected",
        scores=stored.scores,
        pictures=stored.pictures,
        macro_f1=stored.macro_f1,
        map=stored.map,
        assumptions=stored.assumptions,
        classes=tuple(
            EvaluatedClass(
                name=name,
                ap=one.ap,
                precision=one.precision,
                recall=one.recall,
                f1=one.f1,
                prevalence=one.prevalence,
                predicted=one.predicted,
                threshold=stored.thresholds.get(name),
            )
            for name, one in stored.classes.items()
        ),
    )
