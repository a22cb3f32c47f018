"""What labels say as a whole, counted in one pass over their batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.label_rows import LabelRows
from cdul_edge.labels.label_stream import LabelStream
from cdul_edge.reporting.best import Best
from cdul_edge_runtime.host.console import Console

BINS = 50
# A picture is in doubt where its score is nearer to the threshold than half of the way to 0 or 1.
DOUBT = 0.5
_EXAMPLES = 8

Scores = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


@dataclass
class Statistics:
    """Counts over N pictures and C classes; the memory it takes does not grow with N.

    Attributes:
        thresholds: (C,); infinite for a class that is never named.
        surest, doubtful: the highest scores, and those nearest to the threshold.
        pictures: N.
        above: (C,) pictures whose score reaches the threshold.
        doubts: (C,) pictures in doubt.
        sums: (C,) float64 sums of the scores.
        histogram: (C, BINS) pictures by score, over [0, 1].
        together: (C, C) pictures that show both.
        by_count: pictures by their number of labels, from 0.
        empty: rows of the first pictures without any label.
    """

    thresholds: Scores
    surest: Best
    doubtful: Best
    pictures: int = 0
    above: Counts = field(init=False)
    doubts: Counts = field(init=False)
    sums: npt.NDArray[np.float64] = field(init=False)
    histogram: Counts = field(init=False)
    together: Counts = field(init=False)
    by_count: Counts = field(init=False)
    empty: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        classes = len(self.thresholds)
        self.above, self.doubts = np.zeros((2, classes), np.int64)
        self.sums = np.zeros(classes)
        self.histogram = np.zeros((classes, BINS), np.int64)
        self.together = np.zeros((classes, classes), np.int64)
        self.by_count = np.zeros(classes + 1, np.int64)

    def add(self, rows: LabelRows) -> None:
        """Count a batch."""
        scores, classes = rows.scores, len(self.thresholds)
        present = scores >= self.thresholds
        distance = doubt_distance(scores, self.thresholds)
        self.above += present.sum(axis=0)
        self.doubts += (distance < DOUBT).sum(axis=0)
        self.sums += scores.sum(axis=0, dtype=np.float64)
        self._count_bins(scores)
        shown = present.astype(np.float32)  # whole numbers below 2^24, which float32 holds exactly
        self.together += (shown.T @ shown).astype(np.int64)
        counts = present.sum(axis=1)
        self.by_count += np.bincount(counts, minlength=classes + 1)
        if len(self.empty) < _EXAMPLES:
            found = np.flatnonzero(counts == 0)[: _EXAMPLES - len(self.empty)]
            self.empty += (found + self.pictures).tolist()
        self.surest.add(scores, self.pictures)
        self.doubtful.add(-distance, self.pictures)
        self.pictures += len(scores)

    def _count_bins(self, scores: Scores) -> None:
        classes = scores.shape[1]
        bins = np.minimum((scores * BINS).astype(np.int32), BINS - 1)
        bins += np.arange(classes, dtype=np.int32) * BINS
        found = np.bincount(bins.ravel(), minlength=classes * BINS)
        self.histogram += found.reshape(classes, BINS)


def doubt_distance(scores: Scores, thresholds: Scores) -> Scores:
    """How far scores are from the threshold, as a share of the way to 0 or to 1.

    Args:
        scores: (M, C) in [0, 1].
        thresholds: (C,) in [0, 1], or infinite.

    Returns:
        (M, C) float32 in [0, 1]; infinite for a class that is never named.
    """
    below = np.where(thresholds > 0, thresholds, np.inf)
    over = np.where(thresholds < 1, 1 - thresholds, np.inf)
    difference = scores - thresholds
    with np.errstate(invalid="ignore"):  # infinity over infinity, of a class without threshold
        found = np.where(difference >= 0, difference / over, -difference / below)
    found = np.where(np.isfinite(thresholds), found, np.inf)
    return found.astype(np.float32, copy=False)


def count_labels(stream: LabelStream, examples: int, console: Console) -> Statistics:
    """Read all scores once, with so many examples of each class."""
    classes = len(stream.classes)
    found = Statistics(stream.thresholds, Best(examples, classes), Best(examples, classes))
    with console.progress("reading labels", stream.count) as advance:
        for rows in stream.read(("scores",)):
            found.add(rows)
            advance(len(rows.scores))
    return found


@dataclass(frozen=True)
class Named:
    """A row that the page shows: its path and its scores."""

    path: str
    scores: Scores


def name_rows(stream: LabelStream, rows: Sequence[int], paths: Sequence[str]) -> dict[int, Named]:
    """Path and scores of rows, asked for by number or by path, in one more pass."""
    wanted, searched = np.unique(np.array(rows, np.int64)), frozenset(paths)
    found: dict[int, Named] = {}
    start = 0
    for batch in stream.read(("path", "scores")):
        end = start + len(batch.paths)
        here = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, end)].tolist()
        if searched:
            here += [start + i for i, path in enumerate(batch.paths) if path in searched]
        for row in here:
            found[row] = Named(batch.paths[row - start], batch.scores[row - start].copy())
        start = end
    return found
