"""The last minutes of a stream's scores, against those of the training pictures."""

from __future__ import annotations

import math

import numpy as np

from cdul_edge_runtime.bundle.score_reference import Floats, ScoreReference
from cdul_edge_runtime.metrics.drift import DriftReport, measure_drift

WINDOW_S = 300.0
EVERY_S = 1.0  # frames that follow closer are nearly the same picture, and tell nothing more
LEAST = 100  # frames; of fewer, luck alone reaches an index of 0.1

_JITTER_S = 1e-3  # of times that were computed from frame numbers


class DriftWindow:
    """One frame a second of one stream, for five minutes; its memory is taken at the start.

    Time is the frames' own. Where it goes back by more than `every_s`, the window starts anew: a
    clock that was set, or a file that begins again, leaves no telling what the last minutes are.

    >>> window = DriftWindow(classifier.score_reference())
    >>> window.add(prediction.scores, time_s)      # of every frame
    >>> window.measure()                           # a DriftReport, or None and `window.note` why
    """

    def __init__(
        self,
        reference: ScoreReference | None,
        *,
        window_s: float = WINDOW_S,
        every_s: float = EVERY_S,
        least: int = LEAST,
    ) -> None:
        """Start an empty window.

        Args:
            reference: of the bundle, at the thresholds that decide; None measures nothing.
            window_s: seconds of the past that count.
            every_s: seconds between two frames that count.
            least: frames that are too few to be measured, plus one.
        """
        self._reference = reference
        self._window_s, self._every_s, self._least = window_s, every_s, least
        rows = 0 if reference is None else math.ceil(window_s / every_s) + 1
        columns = 0 if reference is None else len(reference.classes)
        self._scores = np.zeros((rows, columns), np.float32)
        self._times = np.full(rows, -np.inf)
        self._next = 0
        self._report: DriftReport | None = None  # of the frames that are there, once asked for
        self._last_s = -math.inf

    @classmethod
    def at_rate(cls, reference: ScoreReference | None, rate: float | None) -> DriftWindow:
        """For a stream of at most `rate` frames a second; None is any rate.

        Of fewer than one frame in three seconds, five minutes would never hold enough: the window
        is then as long as a tenth more frames than are needed take.
        """
        window_s = WINDOW_S if rate is None else max(WINDOW_S, 1.1 * LEAST / rate)
        return cls(reference, window_s=window_s, every_s=EVERY_S * window_s / WINDOW_S)

    def add(self, scores: Floats, time_s: float) -> None:
        """Take up a frame, unless it follows too close.

        Args:
            scores: (C,) as the network gave them, not smoothed: the reference is of single
                pictures. A frame with a score that is none (NaN) is left out.
            time_s: when it was taken, in seconds.
        """
        since = time_s - self._last_s
        if self._reference is None or -self._every_s <= since < self._every_s - _JITTER_S:
            return
        if not ((scores >= 0) & (scores <= 1)).all():
            return
        if since < 0:
            self._times[:] = -np.inf
        self._scores[self._next] = scores
        self._times[self._next] = self._last_s = time_s
        self._next = (self._next + 1) % len(self._times)
        self._report = None

    @property
    def frames(self) -> int:
        """How many frames of the last minutes are there."""
        return int(self._there().sum())

    @property
    def note(self) -> str | None:
        """Why nothing can be measured yet; None where it can."""
        if self._reference is None:
            return "no reference"
        if self.frames < self._least:
            return f"too few frames: {self.frames} of {self._least}"
        return None

    def measure(self) -> DriftReport | None:
        """Drift of the last minutes; None where `note` says why not."""
        if self._reference is None or self.frames < self._least:
            return None
        if self._report is None:
            order = np.roll(np.arange(len(self._times)), -self._next)  # the oldest first
            rows = order[self._there()[order]]
            self._report = measure_drift(self._scores[rows], self._reference)
        return self._report

    def _there(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(rows,) which rows are of the last minutes."""
        there: np.ndarray[tuple[int], np.dtype[np.bool_]]
        there = self._times > self._last_s - self._window_s
        return there
