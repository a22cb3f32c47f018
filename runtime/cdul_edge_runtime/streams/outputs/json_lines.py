"""Rows as JSON lines in a file that never holds half a line, nor grows without end."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.host.folder_lock import NO_LOCKS
from cdul_edge_runtime.streams.outputs.output import LastingWrites, Say
from cdul_edge_runtime.streams.rows import Row

_TYPES = ("prediction", "appeared", "gone", "status", "stats")
_BLOCK = 64 << 10
_MOST_FILES = 1000  # all are renamed when one is full


class JsonLinesFile:
    """Appends rows to a file, one line each, and begins a new one where it grows too large.

    `rows.jsonl` becomes `rows.jsonl.1`, that becomes `rows.jsonl.2`, and the oldest goes. A file
    that another program moved or removed is made anew. The system frees the lock on it when the
    process ends, however it ends.
    """

    def __init__(
        self,
        path: Path,
        encode: Callable[[Row], str],
        say: Say,
        *,
        size_mib: float = 64.0,
        keep: int = 5,
        replace: bool = False,
    ) -> None:
        """Open or make the file.

        Args:
            path: the file, or a character device such as /dev/null.
            encode: a row as one line of JSON, without its end.
            say: told in one line when the disk is full, and when it no longer is.
            size_mib: largest size of the file; a row that is larger still is written.
            keep: how many full files are kept beside it; 0 keeps none.
            replace: drop the rows that the file holds.

        Raises:
            CdulEdgeError: another process writes there, or the file does not hold rows.
            OSError: it cannot be opened.
        """
        self._path = path
        self._encode = encode
        self._keep = keep
        self._writes = LastingWrites(str(path), "rows", say)
        if not 0 < size_mib < math.inf or not 0 <= keep <= _MOST_FILES:
            raise CdulEdgeError(
                f"rows in files of {size_mib} MiB, {keep} of them kept: expected a size above 0 "
                f"and 0 to {_MOST_FILES} files"
            )
        self._largest = max(1, int(size_mib * (1 << 20)))
        for old in (_numbered(path, number) for number in range(1, keep + 1)):
            require_rows(old)
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        self._is_new = not path.exists()
        self._file: int | None = _open_locked(path)
        self._rotates = stat.S_ISREG(os.fstat(self._file).st_mode)
        if self._rotates and replace:
            os.ftruncate(self._file, 0)
        elif self._rotates:
            _end_last_line(self._file)

    @property
    def lost(self) -> int:
        """How many rows could not be written."""
        return self._writes.lost

    def write(self, row: Row) -> None:
        """Append one row; where that is impossible, say so once and count it."""
        # bytes of a name that are no UTF-8 become JSON's own escape for them, \udcXX
        line = self._encode(row).encode("utf-8", "backslashreplace") + b"\n"
        self._writes.attempt(lambda: self._append(line))

    def close(self) -> None:
        """Give the file and its lock back; one that was made for nothing goes."""
        if self._file is not None:
            if (
                self._is_new
                and os.fstat(self._file).st_size == 0
                and _is_at(self._path, self._file)
            ):
                self._path.unlink()
            os.close(self._file)
            self._file = None

    def _append(self, line: bytes) -> None:
        if self._rotates:
            self._prepare(len(line))
        if self._file is None:
            raise OSError(errno.EBADF, "it is closed")
        written = os.write(self._file, line)
        if written == len(line):
            return
        if self._rotates:
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _prepare(self, size: int) -> None:
        """Have a file that is ours, still in its place, and with room for `size` bytes."""
        if self._file is None or not _is_at(self._path, self._file):
            self.close()
            self._is_new = False
            self._file = _open_again(self._path)
        used = os.fstat(self._file).st_size
        if used and used + size > self._largest:
            self._rotate()

    def _rotate(self) -> None:
        """Give the file its number; there is never a moment without one at its path."""
        assert self._file is not None
        if self._keep == 0:
            os.ftruncate(self._file, 0)
            return
        for number in range(self._keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                _numbered(self._path, number).replace(_numbered(self._path, number + 1))
        # no longer than the path: file systems allow 255 bytes
        fresh = self._path.with_name(f".{self._path.name[-40:]}.{os.getpid()}.tmp")
        descriptor = _open_locked(fresh)
        first = _numbered(self._path, 1)
        try:
            try:
                os.link(self._path, first)
            except OSError:  # a file system without hard links
                self._path.replace(first)
            fresh.replace(self._path)
        except OSError:
            os.close(descriptor)
            fresh.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file = descriptor


def require_rows(path: Path) -> None:
    """Refuse a file that is there and holds something else than rows of a watch.

    Raises:
        CdulEdgeError: saying so.
    """
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISCHR(kind):
        return
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
        raise CdulEdgeError(f"{path} is a pipe or socket, which may block: redirect stdout into it")
    if stat.S_ISDIR(kind):
        raise CdulEdgeError(f"{path} is a folder: name a file in it for the rows")
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    if first and not _is_row(first):
        raise CdulEdgeError(f"{path} does not hold rows of `cdul-edge watch`: name another file")


def _is_row(line: bytes) -> bool:
    if not line.endswith(b"\n"):  # the half of one that a killed process left, or a long one
        return any(line.startswith(f'{{"type": "{name}"'.encode()) for name in _TYPES)
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and row.get("type") in _TYPES


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _is_at(path: Path, file: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(file))


def _open_locked(path: Path) -> int:
    """Open for appending, and hold it against other watches."""
    require_rows(path)
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                _lock(file, path)
                if not _is_at(path, file):  # its watch has just begun a new one
                    os.close(file)
                    continue
        except BaseException:
            os.close(file)
            raise
        return file


def _open_again(path: Path) -> int:
    """The same while a watch runs, which no foreign file may end."""
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        return _open_locked(path)
    except CdulEdgeError as error:
        raise OSError(errno.EBUSY, str(error)) from error


def _lock(file: int, path: Path) -> None:
    import fcntl  # not on Windows

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CdulEdgeError(
            f"another `cdul-edge watch` writes to {path}: stop it, or name another file"
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        warnings.warn(
            f"{path} lies on a file system without locks: let no other watch write into it",
            CdulEdgeWarning,
            stacklevel=3,
        )


def _end_last_line(file: int) -> None:
    """Complete the last line, or drop the half of one that a killed process left."""
    size = os.fstat(file).st_size
    tail, start = b"", size
    while start > 0 and b"\n" not in tail:
        block = min(_BLOCK, start)
        start -= block
        tail = os.pread(file, block, start) + tail
    last = tail[tail.rfind(b"\n") + 1 :]
    if not last:
        return
    if _is_row(last + b"\n"):
        os.write(file, b"\n")
    else:
        os.ftruncate(file, size - len(last))
