"""A source that does what a test orders, when it orders it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Condition, Event

import numpy as np

from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.streams.frame import Clock, Frame, Pixels
from cdul_edge_runtime.streams.source import SourceInfo

PATIENCE_S = 60.0  # a test that waits longer has failed; a busy machine may stand still

RED, GREEN, DARK = (255, 0, 0), (0, 255, 0), (0, 0, 0)


def pixels(color: tuple[int, int, int] = DARK) -> Pixels:
    return np.full((8, 8, 3), color, np.uint8)


def frame(
    time_s: float,
    color: tuple[int, int, int] = DARK,
    *,
    clock: Clock = "arrival",
    pts_s: float | None = None,
    order: Color = "rgb",
) -> Frame:
    return Frame(pixels(color), time_s, clock, pts_s, order)


class FakeSource:
    """Frames, losses and ends, one after another.

    Attributes:
        openings: what the next calls of `open` raise, or None where they succeed; after the last,
            they all succeed.
        opened, closed: how often each was called.
        deaf: whether `interrupt` does nothing, as in a native call that hangs.
    """

    def __init__(self, *, finite: bool = False, deaf: bool = False) -> None:
        self.finite = finite
        self.deaf = deaf
        self.openings: deque[BaseException | None] = deque()
        self.opened = self.closed = self.interrupted = 0
        self.released = Event()
        self._orders: SimpleQueue[Frame | BaseException | None] = SimpleQueue()
        self._changed = Condition()
        self._given = self._done = 0
        self._asks = False

    def send(self, *orders: Frame | BaseException) -> FakeSource:
        """Frames to give, and exceptions to raise."""
        for order in orders:
            self._order(order)
        return self

    def end(self) -> FakeSource:
        """Return, as at the end of a file."""
        self._order(None)
        return self

    def settle(self) -> None:
        """Wait until all orders were carried out, and the reader asks for more."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: self._asks and self._done == self._given, PATIENCE_S
            ), "the reader does not ask for more"

    def open(self) -> SourceInfo:
        self.opened += 1
        error = self.openings.popleft() if self.openings else None
        if error is not None:
            raise error
        return SourceInfo(8, 8, "fake", 25.0)

    def frames(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._asks = True
                self._changed.notify_all()
            order = self._orders.get()
            with self._changed:
                self._asks = False
            try:
                if order is None:
                    return
                if isinstance(order, BaseException):
                    raise order
                yield order
            finally:
                with self._changed:
                    self._done += 1
                    self._changed.notify_all()

    def interrupt(self) -> None:
        self.interrupted += 1
        if not self.deaf:
            self._orders.put(None)

    def close(self) -> None:
        self.closed += 1
        self.released.set()

    def _order(self, order: Frame | BaseException | None) -> None:
        with self._changed:
            self._given += 1
        self._orders.put(order)
