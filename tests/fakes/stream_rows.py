"""Rows of a watch, made by hand."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, State, Status

MIDNIGHT_S = 1_795_737_600.0  # 2026-11-27T00:00:00Z
COLORS = ClassList(("red", "green", "blue"))
CLASSES = ClassList(("bicycle", "cat", "dog"))


def frame(
    rgb: tuple[int, int, int] = (255, 0, 0), time_s: float = MIDNIGHT_S, color: Color = "rgb"
) -> Frame:
    """A picture of one color, 16 by 16."""
    return Frame(np.full((16, 16, 3), rgb, np.uint8), time_s, color=color)


def appeared(
    label: str = "red", stream: str = "door", *, id: str = "door-1", picture: Frame | None = None
) -> Appeared:
    """A label that is there."""
    return Appeared(stream, label, id, MIDNIGHT_S, MIDNIGHT_S + 0.125, 0.75, picture)


def gone(
    label: str = "red",
    stream: str = "door",
    *,
    id: str = "door-1",
    reason: Literal["lost", "stopped"] | None = None,
) -> Gone:
    """The same label when it went, 2 s later."""
    return Gone(stream, label, id, MIDNIGHT_S, MIDNIGHT_S + 2, 2.0, 0.9, reason)


def status(state: State = "connected", stream: str = "door") -> Status:
    """A state of a stream."""
    return Status(stream, MIDNIGHT_S, state)


def prediction(
    stream: str = "door",
    scores: tuple[float, ...] = (0.9, 0.2, 0.5),
    labels: tuple[str, ...] = ("red",),
    classes: ClassList = COLORS,
) -> FramePrediction:
    """A classified frame that shows red."""
    values = np.array(scores, np.float32)
    return FramePrediction(
        stream, 1, MIDNIGHT_S, "arrival", 40.0, labels, values, values, classes, frame()
    )


def seen_row() -> FramePrediction:
    """A frame that shows a dog and a bicycle, of three classes."""
    return prediction("image", (0.5, 0.25, 0.875), ("dog", "bicycle"), CLASSES)
