"""Ends what would run for ever: Ctrl-C, a service manager, or a terminal that closes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

# `timeout`, and a terminal with a wrapper that passes signals on, send each one twice.
_ECHO_S = 0.05


class Stopping:
    """While its block runs, the first signal asks for the end, and a second one kills.

    What comes at once with the first, as where a wrapper passes on what the terminal sent to both,
    is no second one.

    Before there is anything to ask, the signal ends the block; that is no error either.

    Attributes:
        stopped: whether the end was asked for.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._stop: Callable[[], None] | None = None
        self._former: dict[int, Any] = {}

    def call(self, stop: Callable[[], None]) -> None:
        """From now on call `stop`, which must be safe in a signal handler."""
        self._stop = stop

    def request(self) -> None:
        """Ask for the end, from any thread."""
        self.stopped = True
        if self._stop is not None:
            self._stop()

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                # what is ignored stays so: under `nohup`, or in the background of a shell
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        return self.stopped and isinstance(error, KeyboardInterrupt)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        for caught in self._former:
            signal.signal(caught, signal.SIG_IGN)
        self.request()
        time.sleep(_ECHO_S)
        for caught in self._former:
            signal.signal(caught, signal.SIG_DFL)
        if self._stop is None:
            raise KeyboardInterrupt
