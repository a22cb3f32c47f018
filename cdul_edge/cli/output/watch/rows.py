"""Rows of a watch on stdout, whose reader may go and whose disk may be full."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, TextIO

from cdul_edge.cli.output.streams import data_stdout, discard_stdout
from cdul_edge_runtime.streams.outputs.output import LastingWrites, Say

if TYPE_CHECKING:
    from cdul_edge.cli.options.stopping import Stopping
    from cdul_edge_runtime.streams.rows import Row

_ATOMIC = 4096  # bytes that a pipe takes whole where it says that it takes some
_MOMENT_MS = 200


def row_encoder(top: int | None) -> Callable[[Row], str]:
    """What makes a line of JSON of a row.

    Args:
        top: keep only so many of a frame's highest scores; None keeps all.
    """
    import json

    from cdul_edge_runtime.streams.row_json import to_dict
    from cdul_edge_runtime.streams.rows import FramePrediction

    def encode(row: Row) -> str:
        plain = to_dict(row)
        if top is not None and isinstance(row, FramePrediction):
            best = [row.classes.names[column] for column in (-row.scores).argsort(kind="stable")]
            for name in ("scores", "raw"):
                values = plain[name]
                assert isinstance(values, dict)
                plain[name] = {label: values[label] for label in best[:top]}
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)

    return encode


class StdoutRows:
    """Writes each row as a line, and lets it be read at once.

    A full disk loses rows, and says so; a reader that is gone stops the watch. One that does not
    read holds the watch up, and is given up when the watch stops.
    """

    def __init__(self, encode: Callable[[Row], str], say: Say, stopping: Stopping) -> None:
        """Take stdout.

        Args:
            encode: a row as one line of JSON.
            say: told of a full disk, and that it no longer is.
            stopping: asked to stop when nobody reads any more.
        """
        self._file = data_stdout()
        self._encode = encode
        self._stopping = stopping
        self._writes = LastingWrites("stdout", "rows", say)
        self._unread = False
        self._rest = b""  # of a line that the disk took a part of
        self._descriptor = descriptor_of(self._file)
        if self._descriptor is not None:
            _call_when_unread(self._descriptor, stopping.request)

    @property
    def lost(self) -> int:
        """How many rows could not be written."""
        return self._writes.lost

    def write(self, row: Row) -> None:
        """Write one row, unless nobody reads."""
        if self._unread:
            return
        line = self._encode(row) + "\n"
        try:
            self._writes.attempt(lambda: self._write(line))
        except BrokenPipeError:
            self._unread = True
            discard_stdout()
            self._stopping.request()

    def close(self) -> None:
        """Nothing is buffered."""

    def _write(self, line: str) -> None:
        if self._descriptor is None:  # in memory
            self._file.write(line)
            return
        self._rest = self._push(self._rest)
        # bytes of a name that are no UTF-8 become JSON's own escape for them, \udcXX
        whole = line.encode("utf-8", "backslashreplace")
        self._rest = self._push(whole)

    def _push(self, content: bytes) -> bytes:
        """Write; what a disk that took a part of it did not take.

        Raises:
            OSError: nothing could be written.
        """
        left = content
        while left:
            try:
                left = left[self._push_some(left[:_ATOMIC]) :]
            except BrokenPipeError:
                raise
            except OSError:
                if left == content:
                    raise
                break
        return left

    def _push_some(self, content: bytes) -> int:
        assert self._descriptor is not None
        while not is_writable(self._descriptor):
            if self._stopping.stopped:
                raise BrokenPipeError(errno.EPIPE, "its reader does not read")
        return os.write(self._descriptor, content)


def descriptor_of(file: TextIO) -> int | None:
    """Its number; None of one in memory."""
    try:
        return file.fileno()
    except OSError:
        return None


def is_writable(descriptor: int, moment_ms: int = _MOMENT_MS) -> bool:
    """Whether a write would not wait; waits a moment for it."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(moment_ms))


def _call_when_unread(descriptor: int, call: Callable[[], None]) -> None:
    """Call when the reader of a pipe is gone, even if there is no row to write just then."""
    mode = os.fstat(descriptor).st_mode
    if not hasattr(select, "poll") or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    reader = select.poll()
    reader.register(descriptor, 0)  # only errors, which are always told

    def wait() -> None:
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in reader.poll()):
            call()

    Thread(target=wait, name="cdul-edge reader of stdout", daemon=True).start()
