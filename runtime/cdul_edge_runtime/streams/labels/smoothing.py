"""Labels that do not flicker: averaged logits, two thresholds, and least durations, in seconds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.log_odds import log_odds, sigmoid
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.labels.changes import (
    EndReason,
    LabelAppeared,
    LabelChange,
    LabelGone,
    Smoothed,
)
from cdul_edge_runtime.streams.labels.settings import Smoothing as Smoothing

Reals = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]

_LOWEST, _HIGHEST = (float(end) for end in log_odds(np.array([0.0, 1.0])))
_SAME_S = 1e-3  # seconds since 1970 are exact to a fourth of a microsecond, cameras to less
_CORRECTION_S = 1.0  # a clock that was set right goes back by less; a video that begins anew, more


class Smoother:
    """The labels of one stream, from one frame's scores to the next.

    The average of the logits x(t) is y += (1 - exp(-dt / average_s)) (x - y), dt seconds after the
    frame before; the first frame begins it. A label appears once y has been at or above its
    threshold's logit plus `enter` for `appear_s`, and goes once y has been below that logit minus
    `leave` for `gone_s`. `Smoothing(0, 0, 0, 0, 0)` gives what `Prediction.labels` gives.

    - Logits end at ±16.1, as if scores were never nearer to 0 or 1 than 1e-7. `enter` and `leave`
      count at most half of the way from a threshold to either end, so that a score of 1 always
      enters and a score of 0 always leaves.
    - Thresholds beyond these ends are asked of each frame's own score, without average, `enter`,
      and `leave`: 0 or less is always reached, 1 by a score of 1, more than 1, inf, and NaN
      never.
    - A gap of more than `reset_s`, or a clock that goes back by more than a second, ends what is
      there (`LabelGone.reason` is "gap" or "clock") and begins anew. Where a clock goes back by
      less, time stands still until it is reached again. A frame of the same time as the one before
      moves no average; without an average it counts as any other.

    A smoother belongs to one stream and one thread.

    Args:
        classes: names of the columns.
        thresholds: (C,) as of `Prediction.thresholds`.
        smoothing: how; None takes the defaults of `Smoothing`.

    Raises:
        CdulEdgeError: there is not one threshold per class.
    """

    _time_s: float | None  # of the last frame
    _logits: Doubles
    _peak: Doubles  # logits; -inf where neither present nor about to be
    _present: npt.NDArray[np.bool_]
    _since_s: Doubles  # where present
    _until_s: Doubles  # where present and below: time of the last frame that was not
    _turned_s: Doubles  # since when a class asks to change; inf where it does not

    def __init__(
        self,
        classes: ClassList,
        thresholds: Reals,
        smoothing: Smoothing | None = None,
    ) -> None:
        self.classes = classes
        self.smoothing = smoothing or Smoothing()
        given = np.array(thresholds, np.float64)
        if given.shape != (len(classes),):
            raise CdulEdgeError(
                f"thresholds have shape {given.shape}, expected ({len(classes)},): one per class"
            )
        given[np.isnan(given)] = np.inf  # no score reaches either
        levels = log_odds(given)
        half_down, half_up = (levels + _LOWEST) / 2, (levels + _HIGHEST) / 2
        self._enter = np.clip(levels + self.smoothing.enter, half_down, half_up)
        self._leave = np.clip(levels - self.smoothing.leave, half_down, half_up)
        self._beyond = np.flatnonzero((levels <= _LOWEST) | (levels >= _HIGHEST))
        self._thresholds = given
        self._start()

    def update(self, scores: Reals, time_s: float) -> Smoothed:
        """Take in one frame.

        Args:
            scores: (C,) in [0, 1], as of `Prediction.scores`.
            time_s: when it was taken, in seconds of any clock that goes on from frame to frame.

        Raises:
            CdulEdgeError: scores of another shape, a score that is NaN or outside [0, 1], or a
                time that is not finite. Nothing has changed then.
        """
        scores = np.asarray(scores)
        self._check(scores, time_s)
        changes: list[LabelChange] = []
        if self._time_s is not None:
            reason = self._break_before(self._time_s, time_s)
            if reason is not None:
                changes += self._end(self._time_s, self._time_s, reason)
                self._start()
        before_s = time_s if self._time_s is None else self._time_s
        now_s = max(time_s, before_s)
        self._average(log_odds(scores), now_s - before_s)
        self._time_s = now_s
        changes += self._decide(scores, before_s, now_s)
        return Smoothed(
            sigmoid(self._logits).astype(np.float32), self._present.copy(), tuple(changes)
        )

    def close(self, time_s: float | None = None) -> tuple[LabelGone, ...]:
        """End what is there, with the reason "closed"; the next frame begins anew.

        Args:
            time_s: when the stream ended; None, or an earlier time, is that of its last frame.
        """
        if self._time_s is None:
            return ()
        until_s = self._time_s
        ended = self._end(until_s, max(until_s, until_s if time_s is None else time_s), "closed")
        self._start()
        return ended

    def _start(self) -> None:
        count = len(self.classes)
        self._time_s = None
        self._logits = np.zeros(count)
        self._peak = np.full(count, -np.inf)
        self._present = np.zeros(count, np.bool_)
        self._since_s = np.zeros(count)
        self._until_s = np.zeros(count)
        self._turned_s = np.full(count, np.inf)

    def _check(self, scores: Reals, time_s: float) -> None:
        if np.shape(scores) != (len(self.classes),):
            raise CdulEdgeError(
                f"scores have shape {np.shape(scores)}, expected ({len(self.classes)},): "
                "one per class"
            )
        if not (np.min(scores) >= 0 and np.max(scores) <= 1):  # NaN is neither
            column = int(np.flatnonzero(~((scores >= 0) & (scores <= 1)))[0])
            raise CdulEdgeError(
                f"the score of {self.classes.names[column]} is {scores[column]}, "
                "expected a number in [0, 1]"
            )
        if not math.isfinite(time_s):
            raise CdulEdgeError(f"the time of a frame is {time_s}, expected a finite number")

    def _break_before(self, last_s: float, time_s: float) -> EndReason | None:
        if time_s - last_s > self.smoothing.reset_s:
            return "gap"
        if last_s - time_s > min(_CORRECTION_S, self.smoothing.reset_s):
            return "clock"
        return None

    def _average(self, logits: Doubles, passed_s: float) -> None:
        if self._time_s is None or self.smoothing.average_s == 0:
            self._logits = logits
        else:
            weight = -math.expm1(-passed_s / self.smoothing.average_s)
            self._logits = self._logits + weight * (logits - self._logits)

    def _decide(self, scores: Reals, before_s: float, now_s: float) -> list[LabelChange]:
        above = self._logits >= np.where(self._present, self._leave, self._enter)
        above[self._beyond] = scores[self._beyond] >= self._thresholds[self._beyond]
        active = above | self._present
        self._peak = np.where(active, np.maximum(self._peak, self._logits), -np.inf)
        turning = above != self._present
        begins = turning & np.isinf(self._turned_s)
        self._until_s[begins] = before_s
        self._turned_s[begins] = now_s
        self._turned_s[~turning] = np.inf
        least_s = np.where(self._present, self.smoothing.gone_s, self.smoothing.appear_s)
        ripe = np.flatnonzero(turning & (now_s - self._turned_s >= least_s - _SAME_S))
        changes = [self._turn(int(c), now_s) for c in ripe]
        self._turned_s[ripe] = np.inf
        return changes

    def _turn(self, column: int, now_s: float) -> LabelChange:
        label = self.classes.names[column]
        if self._present[column]:
            gone = self._gone(column, float(self._until_s[column]), now_s, None)
            self._present[column], self._peak[column] = False, -np.inf
            return gone
        self._present[column] = True
        self._since_s[column] = self._turned_s[column]
        score = float(sigmoid(self._logits[column]))
        return LabelAppeared(label, float(self._since_s[column]), now_s, score)

    def _gone(
        self, column: int, until_s: float, time_s: float, reason: EndReason | None
    ) -> LabelGone:
        label, since_s = self.classes.names[column], float(self._since_s[column])
        peak = float(sigmoid(self._peak[column]))
        return LabelGone(label, since_s, max(until_s, since_s), time_s, peak, reason)

    def _end(self, last_s: float, time_s: float, reason: EndReason) -> tuple[LabelGone, ...]:
        below = np.isfinite(self._turned_s)
        until_s = np.where(below, self._until_s, last_s)
        return tuple(
            self._gone(int(c), float(until_s[c]), time_s, reason)
            for c in np.flatnonzero(self._present)
        )
