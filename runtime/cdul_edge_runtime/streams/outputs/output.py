"""What every output does, and how it outlasts a full disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cdul_edge_runtime.streams.rows import Row

# Tells people something in one line; it may be called from several threads.
Say = Callable[[str], None]

_RETRY_S = 5.0


class Output(Protocol):
    """Takes every row of a watch; no row waits for it, and none fails because of it.

    Attributes:
        lost: how much of what was to be kept could not be.
    """

    @property
    def lost(self) -> int: ...  # noqa: D102

    def write(self, row: Row) -> None:
        """Take one row."""
        ...

    def close(self) -> None:
        """Finish; calling it twice is fine."""
        ...


class LastingWrites:
    """Writes that a full disk or a lost share interrupts, and that go on when it is back.

    A camera program must not end because of its disk. The first failure and the recovery are told,
    what was lost in between is counted, and between two tries a few seconds pass.
    """

    def __init__(
        self, place: str, what: str, say: Say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with everything well.

        Args:
            place: what is written to, for messages.
            what: what is written, in the plural, such as "rows".
            say: told of a failure and of its end.
            clock: gives seconds.
        """
        self.lost = 0
        self._place = place
        self._what = what
        self._say = say
        self._clock = clock
        self._lost_now = 0
        self._again_s: float | None = None

    def attempt(self, write: Callable[[], None]) -> bool:
        """Call `write`, unless it failed a moment ago; whether it did its work.

        Raises:
            BrokenPipeError: the reader is gone for good.
        """
        now = self._clock()
        if self._again_s is not None and now < self._again_s:
            self._lose()
            return False
        try:
            write()
        except BrokenPipeError:
            raise
        except OSError as error:
            if self._again_s is None:
                reason = error.strerror or type(error).__name__
                self._say(
                    f"{self._place} cannot be written ({reason}): {self._what} are lost until it "
                    "can, and the watch goes on; make room, or check the disk"
                )
            self._again_s = now + _RETRY_S
            self._lose()
            return False
        if self._again_s is not None:
            self._say(f"{self._place} is written again; {self._lost_now} {self._what} were lost")
            self._again_s, self._lost_now = None, 0
        return True

    def _lose(self) -> None:
        self.lost += 1
        self._lost_now += 1
