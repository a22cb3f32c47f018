"""Names on stdin, as they arrive."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from typing import BinaryIO

_BLOCK = 1 << 16
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_names() -> Iterator[str | None]:
    """Lines of stdin without their ends, empty ones left out; None where the next may take a while.

    Bytes that are no UTF-8 stay what they are (surrogates), so that the file is found.
    """
    first = True
    for line in _lines(sys.stdin.buffer):
        if line is None:
            yield None
            continue
        if first:
            line, first = line.removeprefix(_BYTE_ORDER_MARK), False
        if line.strip():
            yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    try:
        descriptor = stream.fileno()
    except OSError:  # in memory: everything is there
        yield from stream
        return
    rest = b""
    while True:
        if not _has_more(descriptor):
            yield None
        block = os.read(descriptor, _BLOCK)
        if not block:
            break
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _has_more(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])
