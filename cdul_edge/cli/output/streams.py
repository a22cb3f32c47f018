"""The process's own streams: closed ones are replaced, and no text fails for its encoding."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from cdul_edge_runtime.errors import CdulEdgeError

_closed_at_start: set[str] = set()


def prepare_streams() -> None:
    """Make stdin, stdout and stderr usable, however the program was started.

    A stream that was closed (`<&-`, `>&-`, `2>&-`) becomes the null device: otherwise the next
    file that is opened would take its number, and receive what is printed. Characters that the
    terminal's encoding lacks are replaced; `data_stdout` is for what must arrive whole.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            _closed_at_start.add(name)
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            _closed_at_start.add(name)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def data_stdout() -> TextIO:
    """Stdout for data: UTF-8 whatever the terminal's encoding.

    Bytes of a path that are not UTF-8 become JSON's escapes of lone surrogates (udcXX).

    Raises:
        CdulEdgeError: stdout was closed when the program started.
    """
    if "stdout" in _closed_at_start:
        raise CdulEdgeError("stdout is closed and the results go there: open it, or name a file")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    return sys.stdout


def discard_stdout() -> None:
    """Send what is still buffered to the null device: stdout's reader is gone, or its disk full."""
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 1)
