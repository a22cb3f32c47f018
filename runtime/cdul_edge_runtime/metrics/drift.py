"""How far a network's scores have moved from those of its training pictures, without any truth.

Population stability index per class, how often each class is there, and how high its scores are.
Everything is a function of scores; no classifier and no stream is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.log_odds import log_odds
from cdul_edge_runtime.bundle.score_reference import (
    Counts,
    ScoreReference,
    check_scores,
    count_bins,
    find_bins,
)
from cdul_edge_runtime.errors import CdulEdgeError

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]

MOVED, SHIFTED = 0.1, 0.25  # Siddiqi 2006, Credit Risk Scorecards: the usual readings of the index
_GROUPS = 10  # of the reference's pictures, about equally many in each
_LEAST_EXPECTED = 5.0  # pictures that a group should get, for its share to be more than luck
_FEWEST = 10.0  # independent pictures that any scores count for: two groups can be told apart


@dataclass(frozen=True)
class ClassDrift:
    """How far the scores of one class are from those of the training pictures.

    Attributes:
        psi: population stability index, less what luck alone gives; 0 and more. Below 0.1 is
            stable, above 0.25 has shifted.
        prevalence: share of the pictures whose score reaches the threshold.
        reference_prevalence: the same of the training pictures.
        calibration_shift: how much higher scores are on average, in [-1, 1]; see `measure_drift`.
        luck: what was taken off the index.
    """

    psi: float
    prevalence: float
    reference_prevalence: float
    calibration_shift: float
    luck: float


@dataclass(frozen=True)
class DriftReport:
    """Drift of all classes.

    Attributes:
        pictures: how many were measured.
        reference_pictures: how many they were compared with.
        classes: by name, in the order of the columns.
    """

    pictures: int
    reference_pictures: int
    classes: Mapping[str, ClassDrift]

    @property
    def shifted(self) -> tuple[str, ...]:
        """Names of the classes whose index is above 0.25, the farthest first."""
        return tuple(name for name in self.worst(len(self.classes)) if self._psi(name) > SHIFTED)

    @property
    def median_psi(self) -> float:
        """Of all classes."""
        return float(np.median([one.psi for one in self.classes.values()]))

    def worst(self, count: int) -> tuple[str, ...]:
        """Names of so many classes with the highest index, the farthest first."""
        return tuple(sorted(self.classes, key=self._psi, reverse=True)[:count])

    def _psi(self, name: str) -> float:
        return self.classes[name].psi


def measure_drift(scores: Floats, reference: ScoreReference | None) -> DriftReport:
    """Compare scores with those of the training pictures, class by class.

    The index is sum((p - q) * ln(p / q)) over groups of scores that each hold about a tenth of the
    reference, fewer where a group would get fewer than 5 pictures. Half a picture is added to every
    group, so that an empty one stays finite (Jeffreys' prior). Without drift it is not 0 but
    (groups - 1) * (1/n + 1/N) on average (Yurdakul and Naranjo 2020, Statistical properties of the
    population stability index), which is taken off. Pictures that follow one another tell less than
    independent ones: n is N' * (1 - r) / (1 + r), where r is the correlation of the log-odds of
    neighbors (Wilks 2011, Statistical Methods in the Atmospheric Sciences, 5.2.4).

    The calibration shift is the mean score less that of the training pictures. If the class is as
    frequent as there, it is by how much calibration in the large (mean score less frequency;
    Steyerberg 2019, Clinical Prediction Models, 15.3) has changed; if it is not, scores alone
    cannot tell the two apart.

    Args:
        scores: (N', C) in [0, 1], N' >= 1, in the order in which the pictures were taken; one a
            second of a video, as frames that follow closer are nearly the same picture.
        reference: of the training pictures, with the thresholds that decide: `Bundle.load(folder)
            .score_reference()`, or that `.at(thresholds)`.

    Raises:
        CdulEdgeError: no reference, as of an older run or bundle; scores that are NaN, outside
            [0, 1], or of another number of classes.
    """
    if reference is None:
        raise CdulEdgeError(
            "drift has no reference, as the bundle or its run is of an older version: train and "
            "export again, or compare with ScoreReference.of(scores, thresholds, classes)"
        )
    check_scores(scores, len(reference.classes))
    scores = np.asarray(scores, np.float32)  # as thresholds are: a score may be its threshold
    counts = count_bins(find_bins(scores))
    shifts = scores.mean(axis=0, dtype=np.float64) - reference.mean_scores
    prevalence = (scores >= reference.thresholds).mean(axis=0)
    independent = count_independent(scores)
    found = {}
    for column, name in enumerate(reference.classes):
        psi, luck = stability_index(
            counts[column], reference.counts[column], independent=float(independent[column])
        )
        found[name] = ClassDrift(
            psi=max(psi - luck, 0.0),
            prevalence=float(prevalence[column]),
            reference_prevalence=float(reference.prevalence[column]),
            calibration_shift=float(shifts[column]),
            luck=luck,
        )
    return DriftReport(len(scores), reference.pictures, found)


def stability_index(
    counts: Counts, reference: Counts, *, independent: float | None = None
) -> tuple[float, float]:
    """The population stability index of one class, and what it is on average without drift.

    Args:
        counts: (B,) pictures in each bin, at least one in all.
        reference: (B,) the same of what they are compared with.
        independent: how many independent pictures `counts` are worth; None is their sum.
    """
    now, then = int(counts.sum()), int(reference.sum())
    worth = float(now) if independent is None else independent
    starts = _group(reference, max(then / _GROUPS, then * _LEAST_EXPECTED / worth))
    p = (np.add.reduceat(counts, starts) + 0.5) / (now + 0.5 * len(starts))
    q = (np.add.reduceat(reference, starts) + 0.5) / (then + 0.5 * len(starts))
    luck = (len(starts) - 1) * (1 / worth + 1 / then)
    return float(((p - q) * np.log(p / q)).sum()), luck


def count_independent(scores: Floats) -> Doubles:
    """(C,) how many independent pictures N' that follow one another are worth, 10 to N'.

    Scores that never change have no correlation, and count as they are.
    """
    count = float(len(scores))
    if count <= _FEWEST:
        return np.full(scores.shape[1], count)
    off = log_odds(scores) - log_odds(scores).mean(axis=0)
    power = (off**2).sum(axis=0)
    products = (off[1:] * off[:-1]).sum(axis=0)
    correlation = np.where(power > 1e-9 * count, products / np.maximum(power, 1e-30), 0.0)
    correlation = np.clip(correlation, 0.0, 1.0)
    return np.asarray(np.maximum(count * (1 - correlation) / (1 + correlation), _FEWEST))


def _group(reference: Counts, least: float) -> npt.NDArray[np.int64]:
    """First bins of groups with at least `least` pictures each, from the highest scores down.

    What is left over at the bottom joins the group above it, so that the rare high scores keep a
    group of their own.
    """
    above = np.concatenate([np.cumsum(reference[::-1])[::-1], [0]])  # in this bin and higher
    starts, taken = [], 0
    while above[0] - taken >= 2 * least:
        # the highest bin from which on there are enough
        first = int(np.searchsorted(-above, -(taken + least), side="right")) - 1
        if first <= 0 or above[0] - above[first] < least:
            break
        starts.append(first)
        taken = int(above[first])
    return np.array([0, *reversed(starts)], np.int64)
