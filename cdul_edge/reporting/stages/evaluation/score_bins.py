"""Scores counted in bins, with or without truth: what curves over thresholds are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.log_odds import find_shifts, log_odds, sigmoid
from cdul_edge_runtime.metrics.metrics import Truth

BINS = 200
GRID = tuple(number / BINS for number in range(BINS))  # a bin's lower end: a threshold there

Doubles = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Curves:
    """Precision, recall and F1 of C classes at T thresholds, (C, T) in [0, 1]; NaN: undefined."""

    precision: Doubles
    recall: Doubles
    f1: Doubles


class ScoreBins:
    """Counts and sums of the scores of C classes in `BINS` bins of equal width.

    Attributes:
        counts: (C, BINS) entries, of which truth is known where truth was given.
        sums: (C, BINS) of their scores.
        positives: (C, BINS) entries that are truly there.
        outside: scores that were not in [0, 1], which are left out.
    """

    def __init__(self, classes: int) -> None:
        shape = (classes, BINS)
        self.counts = np.zeros(shape, np.int64)
        self.sums = np.zeros(shape, np.float64)
        self.positives = np.zeros(shape, np.int64)
        self.outside = 0

    def add(self, scores: Singles, truth: Truth | None = None) -> None:
        """Take in (M, C) scores, and what is true of them: 1, 0, or -1 unknown."""
        classes = len(self.counts)
        inside = (scores >= 0) & (scores <= 1)
        self.outside += int((~inside).sum())
        known = inside if truth is None else inside & (truth >= 0)
        places = np.minimum(np.clip(scores, 0, 1).astype(np.float64) * BINS, BINS - 1)
        flat = places.astype(np.int64) + BINS * np.arange(classes)
        chosen, size = flat[known], classes * BINS
        self.counts += np.bincount(chosen, minlength=size).reshape(classes, BINS)
        weights = scores[known].astype(np.float64)
        self.sums += np.bincount(chosen, weights, size).reshape(classes, BINS)
        if truth is not None:
            there = flat[known & (truth == 1)]
            self.positives += np.bincount(there, minlength=size).reshape(classes, BINS)

    def true_curves(self) -> Curves:
        """Against truth, at the thresholds of `GRID`."""
        return _curves(self.positives.astype(np.float64), self.counts)

    def expected_curves(self, slope: float) -> Curves:
        """What to expect where the log-odds of scores, times `slope`, are those of probabilities.

        As in `expect_metrics`, shifts keep the number of positives that the scores promise.
        Expectations of sums stand for expectations of their ratios.
        """
        means = np.divide(
            self.sums, self.counts, out=np.zeros_like(self.sums), where=self.counts > 0
        )
        likely = means
        if slope != 1:
            steep = slope * log_odds(means)
            likely = np.stack(
                [
                    sigmoid(row + find_shifts(row[None], counts, total[None])[0])
                    for row, counts, total in zip(
                        steep, self.counts, self.sums.sum(axis=1), strict=True
                    )
                ]
            )
        return _curves(likely * self.counts, self.counts)

    def reliability(self, bins: int = 10) -> tuple[list[float | None], list[float | None]]:
        """Mean score and share of positives of all classes' entries, by score; None: no entry."""
        counts, sums, positives = (
            table.sum(axis=0).reshape(bins, -1).sum(axis=1)
            for table in (self.counts, self.sums, self.positives)
        )
        pairs = [
            (None, None) if n == 0 else (float(s) / int(n), int(p) / int(n))
            for n, s, p in zip(counts, sums, positives, strict=True)
        ]
        return [one for one, _ in pairs], [one for _, one in pairs]


def _curves(positive: Doubles, counts: npt.NDArray[np.int64]) -> Curves:
    """Of entries at or above each bin's lower end."""
    hits: Doubles = np.cumsum(positive[:, ::-1], axis=1)[:, ::-1]
    given: Doubles = np.cumsum(counts[:, ::-1].astype(np.float64), axis=1)[:, ::-1]
    total = hits[:, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        f1: Doubles = np.where(total > 0, 2 * hits / (given + total), np.nan)
        return Curves(np.divide(hits, given), np.divide(hits, total), f1)
