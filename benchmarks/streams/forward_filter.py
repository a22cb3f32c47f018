"""The obvious rival of averaged logits: a hidden Markov model of two states per class.

A class is absent or present; it comes and goes at constant rates, and each frame adds its logit
above the threshold as evidence. The filter is causal (Rabiner 1989, section III.A, without the
backward pass), its evidence counts seconds as frames are not independent, and a label enters and
leaves at log-odds of its own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.log_odds import log_odds, sigmoid

Scores = npt.NDArray[np.float32]
_FARTHEST = 12.0  # log-odds of the filter end there, so that it can turn


@dataclass(frozen=True)
class ForwardFilter:
    """The filter's settings.

    Attributes:
        present_s, absent_s: how long a class stays, and stays away, on average.
        evidence: weight of the logits of a tenth of a second.
        enter, leave: log-odds above and below even at which a label comes and goes.
    """

    present_s: float
    absent_s: float
    evidence: float
    enter: float
    leave: float

    def run(
        self, scores: Scores, thresholds: Scores, fps: float
    ) -> tuple[Scores, npt.NDArray[np.bool_]]:
        """(V, T, C) scores -> filtered scores, labels."""
        above = log_odds(scores) - log_odds(thresholds)
        goes, comes = (1 - np.exp(-1 / fps / mean) for mean in (self.present_s, self.absent_s))
        weight = self.evidence * 10 / fps
        believed = np.full(above[:, 0].shape, comes / (comes + goes))
        present = np.zeros(above[:, 0].shape, np.bool_)
        filtered, labels = np.empty_like(scores), np.empty(scores.shape, np.bool_)
        for frame in range(scores.shape[1]):
            expected = believed * (1 - goes) + (1 - believed) * comes
            odds = np.clip(log_odds(expected) + weight * above[:, frame], -_FARTHEST, _FARTHEST)
            believed = sigmoid(odds)
            present = odds >= np.where(present, -self.leave, self.enter)
            filtered[:, frame], labels[:, frame] = believed, present
        return filtered, labels


FILTERS = tuple(
    itertools.starmap(
        ForwardFilter,
        itertools.product((2, 6), (10, 30), (0.15, 0.3, 0.5, 0.8), (0, 0.5, 1), (0, 0.5, 1)),
    )
)
