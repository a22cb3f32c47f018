"""Objects with native threads of their own, across a fork.

`fork` copies the memory of a process and one of its threads. ONNX Runtime waits, when a session is
freed and again when the process ends, for threads that the child does not have, and never ends. So
in the child a session is never freed, and the process ends as those of `multiprocessing` do,
without the exit handlers of its libraries: the system takes back what they hold.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from weakref import WeakSet

_held: WeakSet[object] = WeakSet()


def never_free_in_a_fork(owner: object) -> None:
    """Keep `owner` alive in every process that is forked from this one, to its end."""
    _held.add(owner)


def _keep_all() -> None:
    owners = list(_held)
    for owner in owners:
        # one reference more than anybody has: not even the end of the interpreter frees it
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
    if owners:
        with suppress(AttributeError, OSError):  # glibc alone has `on_exit`
            system = ctypes.CDLL(None)
            # called first, with the exit status, after Python itself has ended
            system.on_exit(system._exit, None)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_keep_all)
