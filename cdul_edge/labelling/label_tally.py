"""What is known of pseudo-labels once all are written: thresholds, and a row for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.request import ClassSummary
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.streamed_thresholds import Reached, RowSums, open_thresholds
from cdul_edge.labels.label_rows import LabelRows
from cdul_edge.labels.labels_writer import LabelsWriter
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import (
    order_shares,
    prevalence_thresholds,
    unlabeled_thresholds,
)

EXAMPLES = 3


class LabelTally:
    """Takes scores as they are written.

    Attributes:
        thresholds: (C,) float32, after `finish`.
        classes: a row each, in column order, after `finish`.
    """

    thresholds: Singles
    classes: tuple[ClassSummary, ...]

    def __init__(self, classes: ClassList, scoring: Scoring) -> None:
        self._names, self._rule, self._given = classes, scoring.thresholds, scoring.shares()
        self._shares = None
        if self._given is not None:
            self._shares = order_shares(self._given, classes, Path(self._rule))
        self._streamed = open_thresholds(self._rule, len(classes), self._shares)
        self._sums = RowSums(len(classes))
        self._best = _Best(len(classes))

    @property
    def rule(self) -> str | Mapping[str, float]:
        """How thresholds are chosen: a rule, or the share of the pictures of each class."""
        return self._rule if self._given is None else dict(self._given)

    def add(self, paths: Sequence[str], scores: Singles) -> None:
        """Take M more rows."""
        self._streamed.add(scores)
        self._sums.add(scores)
        self._best.add(paths, scores)

    def finish(self, written: LabelsWriter) -> None:
        """Choose thresholds, in memory where all rows are there."""
        if written.fits:
            rows = written.gather()
            self.thresholds = self._choose(rows.scores)
            self.classes = summarize_classes(rows, self._names, self.thresholds)
            return
        found = self._streamed.finish(written.read)
        self.thresholds = found.thresholds
        self.classes = self._summarize(found)

    def _choose(self, scores: Singles) -> Singles:
        if self._shares is None:
            return unlabeled_thresholds(scores, self._rule)
        return prevalence_thresholds(scores, self._shares)

    def _summarize(self, found: Reached) -> tuple[ClassSummary, ...]:
        means = self._sums.total / self._sums.rows
        return tuple(
            ClassSummary(
                name=name,
                mean_score=float(means[column]),
                threshold=_finite(found.thresholds[column]),
                above_threshold=int(found.above[column]),
                examples=self._best.examples(column, found.thresholds[column]),
            )
            for column, name in enumerate(self._names)
        )


def summarize_classes(
    rows: LabelRows, classes: ClassList, thresholds: Singles
) -> tuple[ClassSummary, ...]:
    """One row per class, in column order."""
    best = _Best(len(classes))
    best.add(rows.paths, rows.scores)
    return tuple(
        ClassSummary(
            name=name,
            mean_score=float(rows.scores[:, column].mean(dtype=np.float64)),
            threshold=_finite(thresholds[column]),
            above_threshold=int((rows.scores[:, column] >= thresholds[column]).sum()),
            examples=best.examples(column, thresholds[column]),
        )
        for column, name in enumerate(classes)
    )


class _Best:
    """The pictures with a class's largest scores; of equals, those that came first."""

    def __init__(self, classes: int) -> None:
        self._paths: list[list[str]] = [[] for _ in range(classes)]
        self._scores = np.full((EXAMPLES, classes), -np.inf, np.float32)

    def add(self, paths: Sequence[str], scores: Singles) -> None:
        better = scores > self._scores[-1]
        for column in np.flatnonzero(better.any(axis=0)):
            rows = np.flatnonzero(better[:, column])
            rows = rows[np.argsort(-scores[rows, column], kind="stable")[:EXAMPLES]]
            kept = self._paths[column]
            names = kept + [paths[row] for row in rows.tolist()]
            values = np.append(self._scores[: len(kept), column], scores[rows, column])
            order = np.argsort(-values, kind="stable")[:EXAMPLES]
            self._paths[column] = [names[place] for place in order]
            self._scores[: len(order), column] = values[order]

    def examples(self, column: int, threshold: float) -> tuple[str, ...]:
        """Those that reach the threshold, the best first."""
        pairs = zip(self._paths[column], self._scores[:, column], strict=False)
        return tuple(path for path, score in pairs if score >= threshold)


def _finite(threshold: np.float32) -> float | None:
    return float(threshold) if np.isfinite(threshold) else None
