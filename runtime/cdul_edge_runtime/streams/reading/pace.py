"""Which frames of a stream are classified, where not all of them are."""

from __future__ import annotations

from cdul_edge_runtime.streams.frame import Frame

_SAME_S = 1e-6  # 5 frames of 0.04 s are 0.2 s, give or take the last bit


class Pace:
    """At most `rate` frames a second, evenly: of a video of 25 frames a second, 5 take each fifth.

    Files and bags count their own time, so that the same frames are taken however fast they are
    read. Cameras count the time of arrival.

    Args:
        rate: frames a second; None takes every frame.
        finite: as of the source.
    """

    def __init__(self, rate: float | None, *, finite: bool) -> None:
        self._period_s = 0.0 if rate is None else 1 / rate
        self._finite = finite
        self._due_s: float | None = None

    def is_due(self, frame: Frame) -> bool:
        """Whether this frame is taken; frames come in the order of the stream."""
        if not self._period_s:
            return True
        now_s = self._time_of(frame)
        due_s = now_s if self._due_s is None else self._due_s
        if due_s - now_s > self._period_s + _SAME_S:  # its clock went back, or it begins anew
            due_s = now_s
        if now_s < due_s - _SAME_S:
            return False
        # A frame that comes late does not delay those after it; a pause is not made up for.
        late = now_s - due_s >= self._period_s
        self._due_s = (now_s if late else due_s) + self._period_s
        return True

    def _time_of(self, frame: Frame) -> float:
        if not self._finite:
            return frame.arrived_s
        return frame.time_s if frame.pts_s is None else frame.pts_s
