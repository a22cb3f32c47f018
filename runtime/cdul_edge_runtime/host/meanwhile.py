"""One thing done in a thread while this one does another: for starting, where there are cores.

It gains where one of the two leaves Python's lock to the other: in reading, in hashing, and while a
library loads a network, beside which modules may even be imported.

`concurrent.futures` does the same for many, and takes longer to import than this saves.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Meanwhile(Generic[Result]):
    """A call that runs in a thread of its own once it is begun; its result is asked for later.

    Where the system or an interpreter that ends gives no thread, it runs when it is begun.
    """

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._found: list[Result] = []
        self._error: BaseException | None = None
        self._lock = Lock()
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Start the thread; where it was begun before, nothing."""
        self._begun()

    def result(self) -> Result:
        """Wait, and give what the call gave or raise what it raised; the same every time."""
        if (thread := self._begun()) is not None:
            thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _begun(self) -> Thread | None:
        """The thread; None where there was none to be had, and the work is done."""
        with self._lock:
            if self._thread is None and not (self._found or self._error):
                thread = Thread(target=self._run, name="cdul-edge-meanwhile", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    self._run()
                else:
                    self._thread = thread
            return self._thread

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error
