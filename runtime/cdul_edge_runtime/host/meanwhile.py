"""One thing done in a thread while this one does another: for starting, where there are cores.

Only work that leaves Python's lock to others gains anything: reading, hashing, not importing.

`concurrent.futures` does the same for many, and takes longer to import than this saves.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Meanwhile(Generic[Result]):
    """A call that runs in a thread of its own from now on; its result is asked for later."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._found: list[Result] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="cdul-edge-meanwhile", daemon=True)
        self._thread.start()

    def result(self) -> Result:
        """Wait, and give what the call gave or raise what it raised; the same every time."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error
