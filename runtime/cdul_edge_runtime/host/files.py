"""Writing so that a reader never sees half a file, and knowing a file again by its digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cdul_edge_runtime.errors import CdulEdgeError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success fsync it and rename it to `path`.

    On any error, a full disk included, the temporary file goes and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name[:60]}."
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp's 0600 would hide the result from others
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_directory(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success it becomes `path` as a whole.

    Raises:
        CdulEdgeError: `path` exists and `force` is not set.
    """
    refuse_existing(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented UTF-8 JSON, atomically; NaN and infinity are refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON; a missing, truncated or foreign file is a `CdulEdgeError` that names it.

    NaN and infinity, which `write_json` does not write, are no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise CdulEdgeError(f"{path} does not exist: check the path") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or too deep to be ours
        raise CdulEdgeError(
            f"{path} is not valid JSON ({error}): it was truncated or edited; make it again"
        ) from error


def _refuse_constant(name: str) -> object:
    raise ValueError(f"it holds {name}")


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise `CdulEdgeError` when `path` exists (an empty folder does not count) without `force`."""
    if force or not os.path.lexists(path):
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    raise CdulEdgeError(f"{path} exists: choose another --out, or replace it with --force")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
