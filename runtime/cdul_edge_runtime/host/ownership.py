"""What this program made, and may therefore replace when it is told to: nothing else, ever."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from cdul_edge_runtime.errors import CdulEdgeError

PROGRAM = "cdul-edge"
Content = Mapping[str, object]

# What desktops leave in folders that they show; it is ignored, and stays.
_DESKTOP = (".DS_Store", "Thumbs.db", "desktop.ini", ".directory")
_LEFT = ".*.tmp"  # what an interrupted run leaves
_LOCK = ".lock"  # another command may hold it
_LARGEST_MARKER = 64 << 20  # bytes; no JSON of ours comes near


def names_program(content: Content) -> bool:
    """Whether a JSON document says that this program wrote it."""
    return content.get("program") == PROGRAM


@dataclass(frozen=True)
class FolderKind:
    """What a folder of this program's making looks like.

    Attributes:
        name: what messages call it, such as "bundle".
        marker: name of the JSON file in it that says who made it.
        contents: every path that the program writes into it, relative, as shell patterns that do
            not cross folders: "model.*.onnx", "engines/*". One that ends in "/**" is a folder whose
            content another library decides: everything in it, at any depth.
        made_by_us: whether the marker's content is this program's.
    """

    name: str
    marker: str
    contents: tuple[str, ...]
    made_by_us: Callable[[Content], bool] = names_program

    def inside(self, folder: str) -> tuple[str, ...]:
        """The contents of such a folder inside another, as patterns of the other."""
        everything = (*self.contents, _LEFT, f"{_LEFT}/*", _LOCK)
        return tuple(f"{folder}/{pattern}" for pattern in everything)


@dataclass(frozen=True)
class FileKind:
    """What a file of this program's making looks like.

    Attributes:
        name: what messages call one, such as "file of predictions".
        recognize: whether the beginning of a file, at most 1 MiB of it, is of this kind.
    """

    name: str
    recognize: Callable[[bytes], bool]


Kind = FolderKind | FileKind


def require_own(path: Path, kind: Kind, inputs: Sequence[Path] = ()) -> None:
    """Refuse to replace what this program did not make, and what the command itself reads.

    Args:
        path: an existing file or folder that is about to be replaced.
        kind: what it must be.
        inputs: what the command reads; neither one of them nor a folder around it is replaced.

    Raises:
        CdulEdgeError: saying what is in the way.
    """
    advice = f"--force replaces only a {kind.name} that cdul-edge made: choose another place"
    if path.is_symlink():
        raise CdulEdgeError(f"{path} is a symbolic link: name what it leads to; {advice}")
    place = path.resolve()
    if any(_holds(place, path.resolve()) for path in inputs):
        raise CdulEdgeError(f"{path} is, or holds, what this command reads; {advice}")
    if isinstance(kind, FileKind):
        _require_file(path, kind, advice)
        return
    if any(_holds(place, kept.resolve()) for kept in _kept_places()):
        raise CdulEdgeError(
            f"{path} is, or holds, the current or home folder; {advice}, or change to another "
            "folder first"
        )
    if not path.is_dir():
        raise CdulEdgeError(f"{path} is a file; {advice}")
    if not kind.made_by_us(_read_object(path / kind.marker)):
        raise CdulEdgeError(f"{path} is not a {kind.name} that cdul-edge made; {advice}")
    foreign = [name for name in _files_in(path) if not is_own_file(name, kind)]
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise CdulEdgeError(
            f"{path} also holds {', '.join(foreign[:3])}{more}, which cdul-edge did not make: "
            f"move that away first; {advice}"
        )


def remove_own(folder: Path, kind: FolderKind, keep: Path | None = None) -> None:
    """Remove what this program made in a folder, the marker last; symbolic links are not followed.

    The folder itself stays, and so does its lock, and what desktops leave in it.

    Args:
        folder: what `require_own` has accepted.
        kind: as there.
        keep: a folder directly in it that is left alone.
    """
    kept = f"{keep.name}/" if keep else None
    own = [
        name
        for name in _files_in(folder)
        if is_own_file(name, kind)
        and not _is_ignored(name)
        and not (kept and name.startswith(kept))
    ]
    for name in sorted(own, key=lambda name: name == kind.marker):
        (folder / name).unlink(missing_ok=True)
    for place, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            inner = Path(place, name)
            if inner != keep and not inner.is_symlink() and not any(inner.iterdir()):
                inner.rmdir()


def _kept_places() -> Iterator[Path]:
    yield Path.cwd()
    try:
        yield Path.home()
    except RuntimeError:  # a user without an entry in the password file
        return


def _holds(place: Path, other: Path) -> bool:
    return place == other or place in other.parents


def _require_file(path: Path, kind: FileKind, advice: str) -> None:
    if not path.is_file():
        raise CdulEdgeError(f"{path} is not a regular file; {advice}")
    with path.open("rb") as file:
        beginning = file.read(1 << 20)
    if beginning and not kind.recognize(beginning):
        raise CdulEdgeError(f"{path} is not a {kind.name} that cdul-edge made; {advice}")


def _read_object(file: Path) -> Content:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST_MARKER:
            return {}
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        return {}
    return content if isinstance(content, dict) else {}


def _files_in(folder: Path) -> Iterator[str]:
    """Everything below a folder but real folders, as relative paths with slashes."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*files, *links):
            yield Path(place, name).relative_to(folder).as_posix()


def _is_ignored(name: str) -> bool:
    return name == _LOCK or PurePosixPath(name).name in _DESKTOP


def is_own_file(name: str, kind: FolderKind) -> bool:
    """Whether a file of a folder, by its relative path, is one that the program writes there."""
    if _is_ignored(name):
        return True
    first = name.partition("/")[0]
    if fnmatchcase(first, _LEFT):
        return True
    return any(_matches(name, pattern) for pattern in kind.contents)


def _matches(name: str, pattern: str) -> bool:
    parts, patterns = name.split("/"), pattern.split("/")
    if patterns[-1] == "**" and len(parts) >= len(patterns):
        parts, patterns = parts[: len(patterns) - 1], patterns[:-1]
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))
