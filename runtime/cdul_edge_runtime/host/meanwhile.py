"""One thing done in a thread while this one does another: for starting, where there are cores.

It gains where one of the two leaves Python's lock to the other: in reading, in hashing, and while a
library loads a network, beside which modules may even be imported.

`concurrent.futures` does the same for many, and takes longer to import than this saves.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
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
        self._over = Event()

    def begin(self) -> None:
        """Start the thread; where it was begun before, nothing."""
        self._begun()

    def result(self) -> Result:
        """Wait, and give what the call gave or raise what it raised; the same every time."""
        self._begun()
        self._over.wait()  # a signal may end it: `join` would then believe that the thread is over
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _begun(self) -> None:
        with self._lock:
            if self._thread is None:  # set first: a signal may end `start`, too
                self._thread = Thread(target=self._run, name="cdul-edge-meanwhile", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    self._run()

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error
        finally:
            self._over.set()
