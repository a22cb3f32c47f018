"""Frames that arrive in callbacks, of a robot's middleware or a camera's driver."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from queue import Empty, SimpleQueue

from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import SourceInfo, StreamEnded, StreamLost


class PushSource:
    """A live source that callbacks feed from any thread; only the newest frame is kept.

    >>> camera = PushSource()
    >>> driver.on_picture(lambda picture: camera.offer(Frame(picture, time.time())))
    >>> with watch(classifier, {"camera": camera}) as rows:
    ...     ...

    It counts as lost if nothing is offered for `timeout_s`, and is back with the next frame. It
    serves one `Watch`, and gives nothing once that one was stopped.
    """

    finite = False

    def __init__(self, timeout_s: float = 5.0) -> None:
        """Nothing is read before the first `offer`.

        Args:
            timeout_s: it counts as lost if nothing is offered for so many seconds.
        """
        self._timeout_s = timeout_s
        # no lock: the garbage collector may stop a watch in the midst of an offer
        self._slot: deque[Frame] = deque(maxlen=1)
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._announced = self._ended = self._interrupted = False

    def offer(self, frame: Frame) -> None:
        """Give the newest frame, which replaces one that was not taken. It never waits."""
        self._slot.append(frame)
        if not self._announced:
            self._announced = True
            self._wakes.put(None)

    def end(self) -> None:
        """Say that no more frames will come: the stream ends after the one that waits."""
        self._ended = True
        self._wakes.put(None)

    def open(self) -> SourceInfo:
        """Wait for the first frame, however long that takes, or for an interrupt."""
        while not (self._slot or self._ended or self._interrupted):
            self._announced = False
            if not self._slot:  # else it came before it would have been announced
                self._wakes.get()
        return SourceInfo()

    def frames(self) -> Iterator[Frame]:
        """Frames as they come, the newest of those that came since the last.

        Raises:
            StreamLost: nothing was offered for the time-out.
            StreamEnded: `end` was called.
        """
        last_s = time.monotonic()
        while not self._interrupted:
            self._announced = False  # first: a frame that comes from now on is announced
            if self._slot:
                yield self._slot.popleft()
                last_s = time.monotonic()
            elif self._ended:
                raise StreamEnded
            else:
                self._wait(last_s + self._timeout_s - time.monotonic())

    def _wait(self, left_s: float) -> None:
        try:
            self._wakes.get(timeout=max(0.0, left_s))
        except Empty:
            raise StreamLost(f"no frame came for {self._timeout_s:g} s") from None

    def interrupt(self) -> None:
        """Let `open` or `frames` return at once, and for good."""
        self._interrupted = True
        self._wakes.put(None)

    def close(self) -> None:
        """Nothing is held."""
