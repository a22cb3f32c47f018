"""The rows of one stream about its labels: they appear, and each goes once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.labels.changes import LabelAppeared, LabelChange
from cdul_edge_runtime.streams.labels.smoothing import Smoother, Smoothing
from cdul_edge_runtime.streams.rows import Appeared, Gone, GoneReason, Scores

# Each frame by itself: what reaches its threshold is there.
_PLAIN = Smoothing(average_s=0, enter=0, leave=0, appear_s=0, gone_s=0)


@dataclass(frozen=True, eq=False)
class Labeled:
    """What one frame showed.

    Attributes:
        labels: names of those that are there, the highest score first.
        scores: (C,) smoothed; without smoothing, those of the frame.
        changes: what went and appeared with it.
    """

    labels: tuple[str, ...]
    scores: Scores
    changes: list[Appeared | Gone]


class LabelRows:
    """Scores of one stream in, labels and their rows out.

    Args:
        stream: its name.
        classes: names of the columns.
        thresholds: (C,); a label that is NaN or infinite never is.
        smoothing: None takes each frame by itself.
        reset_s: instead of that of `smoothing`.
        numbers: gives each appearance of a watch a number of its own.
    """

    def __init__(
        self,
        stream: str,
        classes: ClassList,
        thresholds: Scores,
        smoothing: Smoothing | None,
        reset_s: float,
        numbers: Iterator[int],
    ) -> None:
        self._stream = stream
        self._classes = classes
        self._smooths = smoothing is not None
        self._numbers = numbers
        self._ids: dict[str, str] = {}  # of the labels that are there
        self._smoother = Smoother(
            classes, thresholds, replace(smoothing or _PLAIN, reset_s=reset_s)
        )

    @property
    def present(self) -> bool:
        """Whether there is any label whose end is still to be said."""
        return bool(self._ids)

    def update(self, raw: Scores, frame: Frame) -> Labeled:
        """Take in the (C,) scores of one frame.

        Raises:
            CdulEdgeError: a score outside [0, 1], or a time that is not a finite number.
        """
        smoothed = self._smoother.update(raw, frame.time_s)
        scores = smoothed.scores if self._smooths else raw
        columns = np.flatnonzero(smoothed.present)
        ranked = columns[np.argsort(-scores[columns], kind="stable")]
        labels = tuple(self._classes.names[c] for c in ranked)
        return Labeled(labels, scores, [self._row(c, "lost", frame) for c in smoothed.changes])

    def close(self, reason: GoneReason) -> list[Appeared | Gone]:
        """What is there goes with its stream, and the next frame begins anew."""
        return [self._row(change, reason, None) for change in self._smoother.close()]

    def _row(self, change: LabelChange, broken: GoneReason, frame: Frame | None) -> Appeared | Gone:
        if isinstance(change, LabelAppeared):
            self._ids[change.label] = appearance = f"{self._stream}-{next(self._numbers)}"
            return Appeared(
                self._stream,
                change.label,
                appearance,
                change.since_s,
                change.time_s,
                change.score,
                frame,
            )
        return Gone(
            self._stream,
            change.label,
            self._ids.pop(change.label),
            change.since_s,
            change.until_s,
            change.duration_s,
            change.peak,
            None if change.reason is None else broken,
        )
