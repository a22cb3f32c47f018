"""Rows of a watch on stdout, whose reader may go and whose disk may be full."""

from __future__ import annotations

import select
import stat
from collections.abc import Callable
from os import fstat
from threading import Thread
from typing import TYPE_CHECKING, TextIO

from cdul_edge.cli.output.streams import data_stdout, discard_stdout
from cdul_edge_runtime.streams.outputs.output import LastingWrites, Say

if TYPE_CHECKING:
    from cdul_edge_runtime.streams.rows import Row


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

    A full disk loses rows, and says so; a reader that is gone stops the watch.
    """

    def __init__(self, encode: Callable[[Row], str], say: Say, stop: Callable[[], None]) -> None:
        """Take stdout.

        Args:
            encode: a row as one line of JSON.
            say: told of a full disk, and that it no longer is.
            stop: called, from any thread, when nobody reads any more.
        """
        self._file = data_stdout()
        self._encode = encode
        self._stop = stop
        self._writes = LastingWrites("stdout", "rows", say)
        self._unread = False
        self._half = False  # whether a line waits in the buffer that could not be written whole
        _call_when_unread(self._file, stop)

    @property
    def lost(self) -> int:
        """How many rows could not be written."""
        return self._writes.lost

    def write(self, row: Row) -> None:
        """Write one row, unless nobody reads."""
        if self._unread:
            return
        try:
            self._writes.attempt(lambda: self._write(self._encode(row) + "\n"))
        except BrokenPipeError:
            self._unread = True
            discard_stdout()
            self._stop()

    def close(self) -> None:
        """Drop what a full disk did not take: it would fail again when the process ends."""
        try:
            self._file.flush()
        except OSError:
            discard_stdout()

    def _write(self, line: str) -> None:
        if self._half:  # Python keeps what a failed flush did not write
            self._file.flush()
            self._half = False
        self._file.write(line)
        self._half = True
        self._file.flush()
        self._half = False


def _call_when_unread(file: TextIO, call: Callable[[], None]) -> None:
    """Call when the reader of a pipe is gone, even if there is no row to write just then."""
    try:
        descriptor = file.fileno()
        mode = fstat(descriptor).st_mode
    except OSError:  # in memory
        return
    if not hasattr(select, "poll") or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    reader = select.poll()
    reader.register(descriptor, 0)  # only errors, which are always told

    def wait() -> None:
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in reader.poll()):
            call()

    Thread(target=wait, name="cdul-edge reader of stdout", daemon=True).start()
