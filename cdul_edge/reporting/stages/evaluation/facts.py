"""What `evaluate --json` says: against truth, from answers to a sample, or as an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cdul_edge.reporting.stages.metrics_facts import MetricsFacts

Basis = Literal["truth", "sampled", "expected"]


@dataclass(frozen=True)
class Ranged:
    """A figure in percent with its 95 % interval; None: not known."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class EvaluatedClass:
    """One class.

    Attributes:
        ap: average precision in percent; with an interval where it is expected.
        precision, recall, f1: in percent, at the threshold.
        prevalence: share of the pictures that show it, in percent.
        predicted: pictures that get the label.
        answered, remaining: questions of a sample.
        threshold: on scores; None: never, or not told.
        best_f1, best_threshold: the highest F1 that any threshold of a grid of 200 gives, in
            percent, and which; None where the scores are not at hand.
    """

    name: str
    ap: Ranged | None = None
    precision: Ranged | None = None
    recall: Ranged | None = None
    f1: Ranged | None = None
    prevalence: Ranged | None = None
    predicted: int | None = None
    answered: int | None = None
    remaining: int | None = None
    threshold: float | None = None
    best_f1: float | None = None
    best_threshold: float | None = None


@dataclass(frozen=True)
class ClassCurves:
    """Precision, recall, and F1 of one class at each threshold, in [0, 1]; None: undefined."""

    name: str
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]


@dataclass(frozen=True)
class EvaluationFacts:
    """One evaluation.

    Attributes:
        basis: "truth" was given, answers were "sampled", or all is "expected".
        scores, truth, sheet: where they were; None where there was none.
        pictures: how many.
        metrics: against truth.
        macro_f1, map: with intervals, of a sample or an estimate.
        assumptions: of an estimate.
        thresholds_rule: where thresholds came from, with truth.
        curves_basis: what the curves rest on: truth, or the scores themselves.
        thresholds: of the curves.
        curves: of the classes most worth a look.
        note: why there are no curves, or what to know of them.
    """

    basis: Basis
    scores: str
    pictures: int
    classes: tuple[EvaluatedClass, ...]
    truth: str | None = None
    sheet: str | None = None
    metrics: MetricsFacts | None = None
    macro_f1: Ranged | None = None
    map: Ranged | None = None
    assumptions: str | None = None
    thresholds_rule: str | None = None
    curves_basis: Literal["truth", "expected"] | None = None
    thresholds: tuple[float, ...] = ()
    curves: tuple[ClassCurves, ...] = ()
    reliability_score: tuple[float | None, ...] = ()
    reliability_share: tuple[float | None, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class StoredThresholds:
    """Of an evaluation with truth: where they came from, and what they are."""

    rule: str
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class StoredTruth:
    """What an evaluation with truth holds beside its metrics."""

    scores: str
    truth: str
    thresholds: StoredThresholds


@dataclass(frozen=True)
class StoredSampledClass:
    """One class of an evaluated sample."""

    precision: Ranged
    recall: Ranged
    f1: Ranged
    predicted: int
    answered: int
    remaining: int


@dataclass(frozen=True)
class StoredSample:
    """What `evaluate --sampled` writes."""

    scores: str
    sheet: str
    pictures: int
    classes: Mapping[str, StoredSampledClass]
    macro_f1: Ranged


@dataclass(frozen=True)
class StoredExpectedClass:
    """One class of an estimate."""

    predicted: int
    prevalence: Ranged
    precision: Ranged
    recall: Ranged
    f1: Ranged
    ap: Ranged


@dataclass(frozen=True)
class StoredDoubt:
    """How far the scores were taken to be from probabilities."""

    slope: float


@dataclass(frozen=True)
class StoredEstimate:
    """What `evaluate` without truth writes."""

    scores: str
    assumptions: str
    pictures: int
    classes: Mapping[str, StoredExpectedClass]
    macro_f1: Ranged
    map: Ranged
    doubt: StoredDoubt
    thresholds: Mapping[str, float | None]
