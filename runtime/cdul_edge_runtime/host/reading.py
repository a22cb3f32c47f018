"""Reading files that others made: the type and the size are looked at before the content."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError

# Far above any real file of its kind, and small enough that reading one ends.
MAX_TEXT_BYTES = 2 << 30  # lists of pictures, annotations, predictions

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a named pipe, not a file",
    stat.S_IFSOCK: "it is a socket, not a file",
    stat.S_IFCHR: "it is a device, not a file",
    stat.S_IFBLK: "it is a device, not a file",
}
_SIGNATURES = (
    (b"PK\x03\x04", "is a ZIP archive: unpack it and give what is inside"),
    (b"\x1f\x8b", "is a gzip archive: unpack it and give what is inside"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it and give what is inside"),
    (b"Rar!", "is a RAR archive: unpack it and give what is inside"),
    (b"PAR1", "is a Parquet file, not a text file"),
    (b"%PDF", "is a PDF file, not a text file"),
    (b"\xff\xd8\xff", "is a picture (JPEG), not a text file"),
    (b"\x89PNG", "is a picture (PNG), not a text file"),
    (b"GIF8", "is a picture (GIF), not a text file"),
    (b"BM", "is a picture (BMP), not a text file"),
    (b"II*\0", "is a picture (TIFF), not a text file"),
    (b"MM\0*", "is a picture (TIFF), not a text file"),
    (b"RIFF", "is a picture (WebP), not a text file"),
    (b"\xff\xfe", "is UTF-16 and not UTF-8 text: save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16 and not UTF-8 text: save it as UTF-8"),
)


class UnreadableError(CdulEdgeError):
    """A file whose content is out of reach; `reason` is the cause without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.reason = reason


def read_bytes(path: Path, *, limit_bytes: int) -> bytes:
    """Read a regular file (or a link to one) of at most `limit_bytes`.

    A named pipe, a socket or a device is refused before anything is read from it. Pipes that the
    shell made, `/dev/stdin` and `<(command)`, are read.

    Raises:
        UnreadableError: it does not exist, is not a file, is not allowed, or is too large.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits for somebody who writes to it.
        descriptor = os.open(path, os.O_RDONLY | _flag("O_NONBLOCK") | _flag("O_BINARY"))
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            status = os.fstat(descriptor)
            kind = stat.S_IFMT(status.st_mode)
            if stat.S_ISFIFO(kind) and _is_shell_pipe(path):
                os.set_blocking(descriptor, True)
            elif not stat.S_ISREG(kind):
                raise UnreadableError(path, f"cannot be read ({_KINDS.get(kind, 'not a file')})")
            if status.st_size > limit_bytes:
                raise UnreadableError(path, _too_large(status.st_size, limit_bytes))
            content = file.readall()
    except OSError as error:
        raise UnreadableError(path, f"cannot be read ({_cause(path, error)})") from error
    except ValueError as error:  # a zero byte in the name
        raise UnreadableError(path, f"cannot be read ({error})") from error
    except MemoryError as error:
        raise UnreadableError(path, "needs more memory than there is") from error
    if len(content) > limit_bytes:
        raise UnreadableError(path, _too_large(len(content), limit_bytes))
    return content


def refuse_special(path: Path) -> None:
    """Raise `UnreadableError` for a pipe, a socket or a device, which opening might wait for."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        return  # opening it says what is wrong
    if kind != stat.S_IFREG and not (kind == stat.S_IFIFO and _is_shell_pipe(path)):
        raise UnreadableError(path, f"cannot be read ({_KINDS.get(kind, 'not a file')})")


def read_text(path: Path, *, limit_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read a UTF-8 text file; a byte order mark is dropped, line ends stay as they are.

    Raises:
        UnreadableError: as `read_bytes`, or it is not UTF-8 text; says what it is instead.
    """
    content = read_bytes(path, limit_bytes=limit_bytes)
    what = next((what for start, what in _SIGNATURES if content.startswith(start)), None)
    if content[257:262] == b"ustar":
        what = "is a tar archive: unpack it and give what is inside"
    # "BM" and "GIF8" may begin a text, too; a picture is never plain ASCII.
    if what is not None and (b"\0" in content or not content.isascii()):
        raise UnreadableError(path, what)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            path, f"is not UTF-8 (byte {error.start}: {error.reason}): save it as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableError(
            path, f"holds a zero byte in line {line}, so it is not UTF-8 text: save it as UTF-8"
        )
    return text


def read_json_text(path: Path) -> object:
    """Parse a JSON file that others made; a byte order mark does not matter.

    Raises:
        CdulEdgeError: it cannot be read, or is not JSON.
    """
    text = read_text(path)
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits, a million brackets
        raise CdulEdgeError(
            f"{path} is not valid JSON ({error}): check that it is whole"
        ) from error
    return content


def _flag(name: str) -> int:
    return int(getattr(os, name, 0))  # not every system has all of them


def _is_shell_pipe(path: Path) -> bool:
    return str(path) == "/dev/stdin" or str(path).startswith(("/dev/fd/", "/proc/self/fd/"))


def _cause(path: Path, error: OSError) -> str:
    """What it is says more than "Is a directory" or, of a socket, "No such device or address"."""
    try:
        kind = _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except OSError:
        kind = None
    return kind or error.strerror or str(error)


def _too_large(size: int, limit_bytes: int) -> str:
    return f"has {size / 2**20:,.0f} MiB, more than the limit of {limit_bytes / 2**20:,.0f} MiB"
