"""When frames were taken: stamps of files and cameras made into seconds that a program can use."""

from __future__ import annotations

import time

from cdul_edge_runtime.streams.frame import CLOCKS_APART_S, Clock

LONGEST_GAP_S = 86_400.0  # between two frames of a file; more is a broken stamp
USUAL_STEP_S = 0.04


class FileClock:
    """Dates the frames of a file from when it was opened, at the pace of its time stamps.

    A stamp that goes back, or jumps by more than a day, counts as one step: smoothing, which
    counts seconds, then goes on as if nothing had happened.
    """

    def __init__(self, began_s: float, fps: float | None) -> None:
        self._now_s = began_s
        self._step_s = 1 / fps if fps else USUAL_STEP_S
        self._last_pts_s: float | None = None
        self._is_first = True

    def date(self, pts_s: float | None) -> float:
        """Seconds since 1970 of the next frame, never before the one that preceded it."""
        step = self._step_s
        if pts_s is not None and self._last_pts_s is not None:
            given = pts_s - self._last_pts_s
            step = given if 0 <= given <= LONGEST_GAP_S else step
        if pts_s is not None:
            self._last_pts_s = pts_s
        if not self._is_first:
            self._now_s += step
        self._is_first = False
        return self._now_s


class CameraClock:
    """Dates the frames of a camera by its own clock where it tells, else by their arrival."""

    def __init__(self) -> None:
        self._last_s = 0.0

    def date(self, camera_s: float | None) -> tuple[float, Clock]:
        """Seconds since 1970, and whose clock they are of.

        Args:
            camera_s: what the camera says, in seconds since 1970; None where it says nothing.
        """
        now_s = time.time()
        known = camera_s is not None and abs(camera_s - now_s) < CLOCKS_APART_S
        stamp_s = camera_s if known and camera_s is not None else now_s
        # The first report of the camera's clock sets the stamps back by what the network takes.
        if stamp_s < self._last_s < stamp_s + 1:
            stamp_s = self._last_s
        self._last_s = stamp_s
        return stamp_s, "camera" if known else "arrival"


class Backlog:
    """Tells the frames that were buffered while a live source was opened, which are old.

    They come faster than the camera made them. The first one that had to be waited for is new.
    """

    LONGEST_S = 2.0

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._last_s: float | None = None
        self._last_pts_s: float | None = None
        self._is_over = False

    def holds(self, pts_s: float | None) -> bool:
        """Whether the frame that was decoded now is an old one."""
        now_s = time.monotonic()
        if not self._is_over and self._last_s is not None:
            made_s = USUAL_STEP_S  # the first frame of RTSP has no stamp
            if pts_s is not None and self._last_pts_s is not None:
                made_s = pts_s - self._last_pts_s
            self._is_over = now_s - self._last_s >= made_s / 2
        self._last_s, self._last_pts_s = now_s, pts_s
        self._is_over = self._is_over or now_s - self._began_s > self.LONGEST_S
        return not self._is_over
