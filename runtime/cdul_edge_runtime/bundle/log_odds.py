"""Scores and their log-odds, and the shifts that make scores add up to what is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any] | np.integer[Any]]

_LEAST = 1e-7  # a score nearer to 0 or 1 counts as that near: its log-odds stay finite
_FARTHEST = 40.0  # a shift of the log-odds beyond which every score is 0 or 1
_HALVINGS = 22  # of that range: to 1e-5


def sigmoid(log_odds: Floats) -> Doubles:
    """Scores in [0, 1] of log-odds of any size, elementwise; log-odds of -inf and inf too."""
    shrunk = np.exp(-np.abs(log_odds, dtype=np.float64))
    return np.asarray(np.where(np.asarray(log_odds) < 0, shrunk, 1.0) / (1 + shrunk))


def log_odds(scores: Floats) -> Doubles:
    """Log-odds of scores in [0, 1], elementwise, between -16 and 16."""
    inside = np.clip(np.asarray(scores, np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside / (1 - inside)))


def find_shifts(logits: Doubles, counts: Floats, wanted: Floats) -> Doubles:
    """(K,) shifts of (K, G) log-odds that make their probabilities sum up as wanted; bisection.

    Args:
        logits: K rows of G groups of pictures.
        counts: (G,) pictures of each group.
        wanted: (K,) sums, or one for all; each between 0 and the number of pictures.
    """
    low, high = np.full(len(logits), -_FARTHEST), np.full(len(logits), _FARTHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = sigmoid(logits + middle[:, None]) @ counts >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high
