"""Temporary names that say whose they are, so that only what is left behind is ever removed."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

# Far longer than any file is written without a byte, and than any two clocks differ.
OLD_S = 24 * 3600

_MARK = re.compile(r"\.([0-9a-f]{12})-(\d+)-(\d+)\.[^.]*\.tmp$")


def temporary_prefix(path: Path) -> str:
    """The beginning of a temporary name for `path`: hidden, and with this process's mark.

    With what `tempfile` adds it stays below 255 bytes.
    """
    process = os.getpid()
    return f".{_shown(path)}.{_machine(process)}-{process}-{_start(process)}."


def is_left_behind(file: Path, now_ns: int) -> bool:
    """Whether nobody will finish a temporary file.

    That is so where it names a process of this machine that has ended. What another machine writes
    cannot be asked for: that is left behind when it was not touched for a day.

    Args:
        file: whose name ends with ".tmp".
        now_ns: the time of a file that was just written in the same file system. Its clock may
            not be this machine's.
    """
    mark = _MARK.search(file.name)
    if mark is not None and mark[1] == _machine(os.getpid()):
        return not _lives(int(mark[2]), int(mark[3]))
    try:
        return now_ns - file.stat().st_mtime_ns > OLD_S * 10**9
    except OSError:
        return False


def remove_left_behind(folder: Path, now_ns: int) -> None:
    """Remove the temporary files directly in `folder` whose writers are gone."""
    for file in folder.glob(".*.tmp"):
        if is_left_behind(file, now_ns) and not file.is_dir():
            file.unlink(missing_ok=True)


def remove_left_behind_of(path: Path) -> None:
    """Remove the temporary files of earlier writings of `path` whose writers are gone.

    Args:
        path: a file that was just written. Where it is none, as /dev/stdout, nothing happens.
    """
    beginning = f".{_shown(path)}."
    with suppress(OSError):
        if not path.is_file():
            return
        now_ns = path.stat().st_mtime_ns
        for file in path.absolute().parent.iterdir():
            if not file.name.startswith(beginning) or file.is_symlink() or not file.is_file():
                continue
            mark = _MARK.fullmatch(file.name, len(beginning) - 1)
            if mark is not None and is_left_behind(file, now_ns):
                file.unlink(missing_ok=True)


def _shown(path: Path) -> str:
    return os.fsencode(path.name)[:180].decode("utf-8", "ignore")


@lru_cache(1)
def _machine(process: int) -> str:
    """Twelve digits for what process numbers count in: a machine since it started, a container.

    Args:
        process: this one: a child may be in a container of its own.
    """
    facts = [socket.gethostname()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with suppress(OSError):
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]


def _lives(process: int, start: int) -> bool:
    """Whether a process runs, and is the one that began at that time: numbers come again."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return _start(process) == start


def _start(process: int) -> int:
    """When a process began, in ticks since the machine did; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0
