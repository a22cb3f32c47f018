"""Too little memory, whichever library ran out of it."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

from cdul_edge_runtime.errors import CdulEdgeError

# What libraries say that have no type of their own for it: PyTorch on processors and GPUs, cuBLAS,
# ONNX Runtime, C++, and the system's loader.
_SIGNS = (
    "out of memory",
    "not enough memory",
    "insufficient memory",
    "cannot allocate memory",
    "can't allocate memory",
    "unable to allocate",
    "failed to allocate",
    "alloc_failed",
    "failed to map segment",
    "can't start new thread",
    "bad_alloc",
)
# Ends of messages: what always helps, and what a run that can go on says.
MORE = "end other programs, or raise `ulimit -v`"
KEPT = "finished work is kept, and the same command continues it"
_ARROW = re.compile(r"(?:malloc|realloc) of size (\d+) failed")
# Nothing that this program reads unpacks to more: deflate's limit is 1,032.
_MOST_UNPACKED = 1100


def tells_of_memory(said: str) -> bool:
    """Whether a library's words are those of too little memory."""
    said = said.lower()
    return any(sign in said for sign in _SIGNS)


def wants_memory(error: BaseException) -> bool:
    """Whether an error is one of too little memory."""
    if isinstance(error, MemoryError):  # NumPy's and PyArrow's are kinds of it
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, (RuntimeError, ImportError)) and tells_of_memory(str(error))


def is_made_up(error: BaseException, file_bytes: int) -> bool:
    """Whether it was a damaged file that asked for more than a file of its size can hold."""
    asked = _asked_bytes(error)
    return asked is not None and asked > _MOST_UNPACKED * file_bytes


def describe_shortage(error: BaseException) -> str:
    """What was asked for, as far as the library says it, in one short line."""
    return " ".join(str(error).split())[:200] or "no more is known"


@contextmanager
def memory_for(what: str, fix: str) -> Iterator[None]:
    """Too little memory in the block becomes one line.

    Args:
        what: what is large, such as "the scores of 5000 pictures and 80 classes".
        fix: what the user may do, such as "give fewer classes".

    Raises:
        CdulEdgeError: there was too little.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError, ImportError) as error:
        if not wants_memory(error):
            raise
        raise CdulEdgeError(
            f"not enough memory for {what} ({describe_shortage(error)}): {fix}"
        ) from error


def _asked_bytes(error: BaseException) -> int | None:
    if found := _ARROW.search(str(error)):
        return int(found[1])
    try:
        shape, dtype = error.args  # NumPy's
        return int(math.prod(shape)) * int(dtype.itemsize)
    except (AttributeError, TypeError, ValueError):
        return None
