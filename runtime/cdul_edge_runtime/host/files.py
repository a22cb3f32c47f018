"""Writing so that a reader never sees half a file, and knowing a file again by its digest.

What only writing needs is imported when something is written: a classifier that starts writes
nothing, and is the sooner there.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.reading import refuse_special

if TYPE_CHECKING:
    from cdul_edge_runtime.host.ownership import FolderKind, Kind

# What file systems answer that cannot do it: CIFS and some FUSE and network mounts.
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success fsync it and rename it to `path`.

    On any error, a full disk included, the temporary file goes and `path` stays as it was. Where
    `path` is a device or a pipe, such as /dev/stdout, the content is copied into it instead.
    """
    if is_stream(path):
        with _copied_into(path) as temporary:
            yield temporary
        return
    _refuse_zero_byte(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_file(path)
    try:
        yield temporary
        _sync(temporary)
        _open_to_others(temporary, 0o666)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        name_full_place(error, path)
        raise


@contextmanager
def new_directory(
    path: Path, kind: FolderKind, *, force: bool = False, inputs: Sequence[Path] = ()
) -> Iterator[Path]:
    """Give a temporary folder; on success `path` gets its content as a whole.

    Where `path` exists, what this program made in it is removed first, and the folder stays: it
    may be a mount point, or the current folder.

    Args:
        path: the folder to make; a missing one, an empty one, or with `force` an earlier result.
        kind: what such a folder holds; its marker arrives last.
        force: replace an earlier result.
        inputs: what the command reads, which is never replaced.

    Raises:
        CdulEdgeError: `path` exists and `force` is not set, or it is not ours to replace.
    """
    import shutil
    import tempfile

    from cdul_edge_runtime.host.ownership import remove_own
    from cdul_edge_runtime.host.unfinished.names import temporary_prefix

    refuse_existing(path, kind, force=force, inputs=inputs)
    inside = path.is_dir()
    place = path if inside else path.parent
    place.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=temporary_prefix(path), suffix=".tmp", dir=place))
    try:
        yield temporary
        if not inside:
            _open_to_others(temporary, 0o777)
            temporary.replace(path)
            return
        remove_own(path, kind, keep=temporary)
        for entry in sorted(temporary.iterdir(), key=lambda entry: entry.name == kind.marker):
            entry.replace(path / entry.name)
        temporary.rmdir()
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        name_full_place(error, path)
        raise


def name_full_place(error: BaseException, path: Path) -> None:
    """Say where the disk is full: the system names no file when a write fails."""
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        error.filename = str(path)


def _refuse_zero_byte(path: Path) -> None:
    """No system can hold such a name, and Python's error would not say whose it is."""
    if "\0" in str(path):
        raise CdulEdgeError(f"{str(path)!r} holds a zero byte, which no file name can: remove it")


def is_stream(path: Path) -> bool:
    """Whether `path` is a device, a pipe or a socket: something that cannot be replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@contextmanager
def _copied_into(path: Path) -> Iterator[Path]:
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="cdul-edge-") as folder:
        temporary = Path(folder, "content")
        temporary.touch()
        yield temporary
        with temporary.open("rb") as content, path.open("wb", buffering=0) as stream:
            shutil.copyfileobj(content, stream)


def _temporary_file(path: Path) -> Path:
    import tempfile

    from cdul_edge_runtime.host.unfinished.names import temporary_prefix

    descriptor, name = tempfile.mkstemp(
        prefix=temporary_prefix(path), suffix=".tmp", dir=path.parent
    )
    os.close(descriptor)
    return Path(name)


def _sync(file: Path) -> None:
    """Have the disk hold the content before the name points to it, where the system can."""
    with file.open("rb+") as opened:
        try:
            os.fsync(opened.fileno())
        except OSError as error:
            if error.errno not in _CANNOT_SYNC:
                raise


def _open_to_others(path: Path, mode: int) -> None:
    """Give the usual permissions in place of `tempfile`'s, where the file system has any."""
    with suppress(OSError):
        path.chmod(mode & ~_umask())


def write_json(path: Path, content: object) -> None:
    """Write `content` as indented UTF-8 JSON, atomically; NaN and infinity are refused."""
    text = encode_json(content)
    with atomic_write(path) as temporary:
        temporary.write_bytes(text)


def encode_json(content: object) -> bytes:
    """What `write_json` writes."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # bytes of a path that are no UTF-8 become JSON's own escape for them, \udcXX
    return text.encode("utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """Read JSON; a missing, truncated or foreign file is a `CdulEdgeError` that names it.

    NaN and infinity, which `write_json` does not write, are no JSON.
    """
    refuse_special(path)
    try:
        return parse_json(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise CdulEdgeError(f"{path} does not exist: check the path") from error


def parse_json(text: bytes, name: str) -> Any:
    """As `read_json`, for content that was read; `name` is what messages call it."""
    try:
        # some editors begin a file with a byte order mark
        return json.loads(text.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or too deep to be ours
        raise CdulEdgeError(
            f"{name} is not valid JSON ({error}): it was truncated or edited; make it again"
        ) from error


def _refuse_constant(name: str) -> object:
    raise ValueError(f"it holds {name}")


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes."""
    import hashlib

    digest = hashlib.sha256()
    # one buffer for all: a new one for each block would be fetched from the system and given back
    buffer = bytearray(256 << 10)
    blocks = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(blocks[:count])
    return digest.hexdigest()


def refuse_existing(path: Path, kind: Kind, *, force: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse to write where something is, unless it may be replaced.

    Args:
        path: where a result goes. An empty folder counts as nothing, and so does a device.
        kind: what the result is.
        force: replace an earlier result of that kind.
        inputs: what the command reads, which is never replaced.

    Raises:
        CdulEdgeError: something is there and `force` is not set, it is not ours to replace, or
            nothing may be written there.
        OSError: no such path can be, as where a part of it is a file.
    """
    from cdul_edge_runtime.host.ownership import FileKind, require_own

    _refuse_zero_byte(path)
    try:
        path.lstat()  # `exists` takes a name that is too long for one that is free
    except FileNotFoundError:
        _require_writable_parent(path)
        return
    if isinstance(kind, FileKind) and is_stream(path):
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    if not force:
        raise CdulEdgeError(f"{path} exists: choose another --out, or replace it with --force")
    require_own(path, kind, inputs)


def _require_writable_parent(path: Path) -> None:
    """Say now, and not after hours of work, that nothing can be written at `path`."""
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise CdulEdgeError(
            f"{there} cannot be written to: change its permissions, or name another path"
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
