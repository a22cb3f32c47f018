"""Drift of any number of pictures in passing: `measure_drift` in memory that does not grow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.log_odds import log_odds
from cdul_edge_runtime.bundle.score_reference import BINS, ScoreReference, count_bins, find_bins
from cdul_edge_runtime.metrics.drift import ClassDrift, stability_index

Singles = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_FEWEST = 10.0  # as in `measure_drift`


class DriftTally:
    """What `measure_drift` needs of scores, added up batch by batch.

    Attributes:
        pictures: how many.
        counts: (C, BINS) of their log-odds, in the bins of `ScoreReference`.
        mean_scores: (C,).
    """

    def __init__(self, classes: int) -> None:
        self.pictures = 0
        self.counts = np.zeros((classes, BINS), np.int64)
        self._scores = np.zeros(classes)
        # Of the log-odds x: sums of x, of x squared, and of x times the next x.
        self._sum, self._squares, self._products = np.zeros((3, classes))
        self._first: Doubles | None = None
        self._last: Doubles | None = None

    def add(self, scores: Singles) -> None:
        """Take in (M, C) scores in [0, 1], in the order in which the pictures were taken."""
        if not len(scores):
            return
        self.pictures += len(scores)
        self.counts += count_bins(find_bins(scores))
        self._scores += scores.sum(axis=0, dtype=np.float64)
        odds = log_odds(scores)
        self._sum += odds.sum(axis=0)
        self._squares += (odds**2).sum(axis=0)
        self._products += (odds[1:] * odds[:-1]).sum(axis=0)
        if self._last is not None:
            self._products += self._last * odds[0]
        self._first = odds[0] if self._first is None else self._first
        self._last = odds[-1]

    @property
    def mean_scores(self) -> Doubles:
        """(C,) in [0, 1]; NaN without pictures."""
        return np.asarray(self._scores / self.pictures if self.pictures else self._scores * np.nan)

    def measure(self, reference: ScoreReference, prevalence: Doubles) -> list[ClassDrift]:
        """Drift of each class, as `measure_drift` finds it.

        Args:
            reference: of the same classes.
            prevalence: (C,) share of the pictures that get the label, in [0, 1].
        """
        independent = self._independent()
        found = []
        for column in range(len(self.counts)):
            psi, luck = stability_index(
                self.counts[column], reference.counts[column], independent=independent[column]
            )
            shift = self.mean_scores[column] - reference.mean_scores[column]
            found.append(
                ClassDrift(
                    psi=max(psi - luck, 0.0),
                    prevalence=float(prevalence[column]),
                    reference_prevalence=float(reference.prevalence[column]),
                    calibration_shift=float(shift),
                    luck=luck,
                )
            )
        return found

    def _independent(self) -> list[float]:
        """See `count_independent`."""
        count = float(self.pictures)
        if count <= _FEWEST or self._first is None or self._last is None:
            return [count] * len(self.counts)
        mean = self._sum / count
        power = self._squares - count * mean**2
        inner = 2 * self._sum - self._first - self._last
        products = self._products - mean * inner + (count - 1) * mean**2
        # What is left of a constant is rounding.
        moves = power > 1e-9 * np.maximum(count, self._squares)
        correlation = np.where(moves, products / np.maximum(power, 1e-30), 0.0)
        correlation = np.clip(correlation, 0.0, 1.0)
        worth = np.maximum(count * (1 - correlation) / (1 + correlation), _FEWEST)
        return [float(one) for one in worth]
