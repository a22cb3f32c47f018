"""Errors that the user can fix, in one line each; bugs keep their traceback."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from cdul_edge.cli.output.result_console import message_console
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.host.memory_errors import MORE, describe_shortage, wants_memory

_FULL = "the disk is full; finished work is kept: make room, and run the same command again"
_FORBIDDEN = "reading or writing is not allowed: change the permissions, or name another path"
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: (
        "the disk is full, or its file system or `ulimit -f` allows no larger file; finished work "
        "is kept: raise the limit or name another path"
    ),
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.ENAMETOOLONG: "most file systems allow 255 bytes per name: shorten it",
    errno.ENOTDIR: "a part of the path is a file: name a path that leads through folders only",
    errno.EISDIR: "expected a file and found a folder: name a file",
    errno.ENOTEMPTY: "another program wrote there: name another path",
    errno.EEXIST: "something is there already: name another path",
    errno.ENOENT: "check the path",
    errno.ELOOP: "symbolic links lead in a circle: fix them, or name another path",
    errno.EMFILE: "raise the limit with `ulimit -n 1024`",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "end other programs, or raise `ulimit -v`",
    errno.EIO: "the disk or network share fails: check it, and run the same command again",
    errno.ESTALE: "the network share is gone: mount it, and run the same command again",
}
# The options with which each command needs less memory.
_SMALLER = {
    "label": "a smaller --batch-pictures or --part-pictures, or fewer --workers",
    "train": "a smaller --batch-size, --image-size or --cache-budget, or fewer --workers",
    "study": "fewer --jobs",
    "calibrate": "fewer --images",
    "build": "a smaller --batch-max or --workspace",
    "predict": "a smaller --batch-size",
    "bench": "a smaller --batches",
    "verify": "a smaller --batches",
}


def explain(error: BaseException, command: str | None = None) -> str | None:
    """One line for an error that the user can fix; None for a bug of ours.

    Args:
        error: what ended the command.
        command: its name.
    """
    if isinstance(error, CdulEdgeError):
        return " ".join(str(error).splitlines())
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_system(error)
    if wants_memory(error):
        smaller = _SMALLER.get(command or "")
        less = f", or give {smaller}" if smaller else ""
        return f"not enough memory ({describe_shortage(error)}): {MORE}{less}"
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):
        # until Python 3.13, `Path.resolve` raises this in place of an OSError
        return f"{error}: {_ADVICE[errno.ELOOP]}"
    if isinstance(error, UnicodeEncodeError):
        part = ascii(error.object[max(0, error.start - 20) : error.end + 20])
        return (
            f"{part} cannot be written as {error.encoding}: rename the file or class that it is "
            "of, or set LANG=C.UTF-8"
        )
    return None


def complain(message: str, style: str = "red") -> None:
    """Print one line on stderr in the program's name."""
    message_console().print(f"cdul-edge: {message}", style=style)


def _explain_system(error: OSError) -> str:
    paths = [ascii(path)[1:-1] if _odd(path) else str(path) for path in _paths(error)]
    what = error.strerror or errno.errorcode.get(error.errno or 0, "the system refuses")
    where = f"{' -> '.join(paths)}: " if paths else ""
    number = error.errno or 0
    advice = _ADVICE.get(number, "check the path, or name another one")
    return f"{where}{what}: {advice}"


def _paths(error: OSError) -> list[object]:
    return [path for path in (error.filename, error.filename2) if path is not None]


def _odd(path: object) -> bool:
    return not str(path).isprintable()


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show every warning of ours in one line, once; those of others look as they always do."""
    said: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", CdulEdgeWarning)
        show_other = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, CdulEdgeWarning):
                show_other(message, category, filename, lineno, file, line)
            elif str(message) not in said:
                said.add(str(message))
                complain(f"warning: {message}", style="yellow")

        warnings.showwarning = show
        yield
