"""Memory that malloc keeps for the program, instead of asking the system for it again."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# mallopt's names for them in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_MIB = 1 << 20
# What of glibc's behavior a user may have chosen.
_CHOSEN_BY = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_")

_lock = threading.Lock()
_users = 0


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let malloc hand out again what was freed, however large, until this ends.

    Left alone, glibc gives every block above 32 MiB, and what is free at the top of its heap, back
    to the system as soon as it is freed, and the system clears each page that it hands out anew. A
    network on a CPU frees and asks for hundreds of MiB in every step of training: that took up to
    half of the time. Making a session of ONNX Runtime, which copies the weights several times, took
    a fifth longer. The most memory that is held at once rises by a tenth to a fifth.

    Nothing happens where another C library is used, or where the environment tunes glibc's malloc
    (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_, MALLOC_MMAP_MAX_, or GLIBC_TUNABLES).
    """
    libc = _find_glibc()
    if libc is None:
        yield
        return
    global _users
    with _lock:
        _users += 1
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                # As glibc's own rule leaves a program that has freed large blocks.
                libc.mallopt(_MMAP_MAX, 65536)
                libc.mallopt(_MMAP_THRESHOLD, 32 * _MIB)
                libc.mallopt(_TRIM_THRESHOLD, 64 * _MIB)
                libc.malloc_trim(0)


def _find_glibc() -> ctypes.CDLL | None:
    """The C library of this process where it is glibc and nobody tuned its malloc."""
    tuned = "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform != "linux" or tuned or any(name in os.environ for name in _CHOSEN_BY):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
