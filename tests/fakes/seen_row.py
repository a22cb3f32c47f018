"""A row of a watch: dog and bicycle are there, of three classes."""

from __future__ import annotations

import numpy as np

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.rows import FramePrediction

CLASSES = ClassList(("bicycle", "cat", "dog"))


def seen_row() -> FramePrediction:
    scores = np.array([0.5, 0.25, 0.875], np.float32)
    return FramePrediction(
        stream="image",
        frame=1,
        time_s=1_600_000_000.25,
        clock="camera",
        age_ms=5.0,
        labels=("dog", "bicycle"),
        scores=scores,
        raw=scores,
        classes=CLASSES,
        picture=Frame(np.zeros((1, 1, 3), np.uint8), 1_600_000_000.25),
    )
