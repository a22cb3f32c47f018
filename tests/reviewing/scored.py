"""Scores held in memory, in the shape that a review reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cdul_edge.reviewing.scores import Batches, ReviewedScores
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.metrics.doubt import CALIBRATED, Doubt


def in_memory(
    scores: npt.ArrayLike,
    *,
    classes: Sequence[str] = (),
    thresholds: float | Sequence[float] = 0.5,
    doubt: Doubt | None = CALIBRATED,
    batch: int = 1000,
) -> ReviewedScores:
    """Scores of pictures "0.png", "1.png", ... at the word of a calibrated classifier."""
    values = np.asarray(scores, np.float32)
    if values.shape[1] == 1:  # no list of classes has one alone
        values = np.pad(values, ((0, 0), (0, 1)))
    count, width = values.shape
    paths = tuple(f"{row}.png" for row in range(count))

    def batches() -> Batches:
        for start in range(0, count, batch):
            yield paths[start : start + batch], values[start : start + batch]

    names = tuple(classes) or tuple(map(chr, range(97, 97 + width)))
    limits = np.broadcast_to(np.asarray(thresholds, np.float32), (width,)).copy()
    return ReviewedScores(ClassList(names), limits, count, None, doubt, batches)
