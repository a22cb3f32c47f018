"""Which picture of one file is meant by a path of another."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.walk import SUFFIXES

Match = Literal["path", "file name", "stem"]


class Pair(NamedTuple):
    """Two spellings that share a file name: the path that was asked for, and the known one."""

    asked: str
    known: str


@dataclass(frozen=True)
class Matches:
    """For each of N asked pictures, which of the known ones it is.

    Attributes:
        rows: (N,) numbers of known pictures, 0 where there is none.
        found: (N,) whether there is one.
        elsewhere: pairs that were not taken for one picture, because their folders differ.
        doubtful: pairs that were, although their folders differ further up.
    """

    rows: npt.NDArray[np.intp]
    found: npt.NDArray[np.bool_]
    elsewhere: tuple[Pair, ...]
    doubtful: tuple[Pair, ...]


def find_rows(
    known: Sequence[str], asked: Sequence[str], *, whose: str, root: Path | None = None
) -> Matches:
    """Find each of the `asked` pictures among the `known` ones; both unique.

    A picture is found by its whole path, else by its file name, else by its stem (the file name
    without a picture ending). Where both give folders, the last one must agree: `heldout/1.jpg` is
    never `train/1.jpg`. Accents match however they are composed, backslashes separate folders, too.

    Args:
        whose: what the known pictures are those of, for messages: "the truth".
        root: the folder that relative `asked` paths lie in, where that is known; a known path that
            names another one is `doubtful`. Names without a picture ending are no files, so they
            lie in no folder.

    Raises:
        CdulEdgeError: a name that fits several known pictures, or two that fit the same.
    """
    finder = _Finder(known, whose)
    rows = np.zeros(len(asked), dtype=np.intp)
    found = np.zeros(len(asked), dtype=np.bool_)
    elsewhere: list[Pair] = []
    doubtful: list[Pair] = []
    taken: dict[int, str] = {}
    for position, path in enumerate(asked):
        row = finder.find(path)
        if row is None:
            if (other := finder.same_name(path)) is not None:
                elsewhere.append(Pair(path, other))
            continue
        _refuse_shared(taken, row, path, whose)
        rows[position], found[position] = row, True
        whole = posixpath.join(root.as_posix(), path) if root and _is_file_name(path) else path
        if not _agree(_folders(clean_path(whole)), finder.folders(row)):
            doubtful.append(Pair(whole, known[row]))
    return Matches(rows, found, tuple(elsewhere), tuple(doubtful))


def clean_path(path: str) -> str:
    """The spelling by which paths are compared: `/` between folders, no `.`, composed accents."""
    if "\\" in path:
        path = path.replace("\\", "/")
    if not path.isascii():
        path = unicodedata.normalize("NFC", path)
    return posixpath.normpath(path) if path else path


def name_stem(path: str) -> str:
    """What two spellings of one picture have in common at least: the stem of the file name."""
    return _stem(clean_path(path))


class _Finder:
    """The known pictures by path, file name and stem."""

    def __init__(self, known: Sequence[str], whose: str) -> None:
        self._known = known
        self._whose = whose
        self._clean = [clean_path(path) for path in known]
        self._index: dict[Match, dict[str, list[int]]] = {}
        for match, key in _KEYS.items():
            rows: dict[str, list[int]] = defaultdict(list)
            for row, path in enumerate(self._clean):
                rows[key(path)].append(row)
            self._index[match] = dict(rows)

    def folders(self, row: int) -> list[str]:
        """The folders that a known picture's path names, from the inside out."""
        return _folders(self._clean[row])

    def find(self, path: str) -> int | None:
        """The one known picture that `path` means; None where there is none."""
        clean = clean_path(path)
        for match, key in _KEYS.items():
            candidates = self._index[match].get(key(clean), [])
            best = candidates if match == "path" else self._nearest(candidates, clean)
            if len(best) > 1:
                raise CdulEdgeError(
                    f"{self._whose} has several pictures for {path!r} by {match}: "
                    f"{self._known[best[0]]!r}, {self._known[best[1]]!r}; "
                    f"give the paths as {self._whose} does"
                )
            if best:
                return best[0]
        return None

    def same_name(self, path: str) -> str | None:
        """A known picture of this file name, in whatever folder."""
        rows = self._index["stem"].get(_stem(clean_path(path)), [])
        return self._known[rows[0]] if rows else None

    def _nearest(self, candidates: list[int], clean: str) -> list[int]:
        """Of several, those that share the most folders; none whose last folder differs."""
        here = _folders(clean)
        shared = {row: _shared(here, self.folders(row)) for row in candidates}
        possible = [row for row in candidates if shared[row] or not here or not self.folders(row)]
        most = max((shared[row] for row in possible), default=0)
        return [row for row in possible if shared[row] == most]


def _folders(clean: str) -> list[str]:
    """`/a/b/1.jpg` lies in b, in a, in the root."""
    parts = clean.split("/")[-2::-1]
    return [part for part in parts if part != ".."]


def _shared(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for mine, other in zip(first, second, strict=False):
        if mine != other:
            break
        count += 1
    return count


def _agree(first: Sequence[str], second: Sequence[str]) -> bool:
    return _shared(first, second) == min(len(first), len(second))


def _is_file_name(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in SUFFIXES


def _stem(clean: str) -> str:
    # Not PurePath.stem: an id such as "2008.17" has no picture ending to lose.
    name = clean.rpartition("/")[2]
    head, dot, ending = name.rpartition(".")
    return head if dot and head and f".{ending.lower()}" in SUFFIXES else name


_KEYS: dict[Match, Callable[[str], str]] = {
    "path": lambda clean: clean,
    "file name": lambda clean: clean.rpartition("/")[2],
    "stem": _stem,
}


def _refuse_shared(taken: dict[int, str], row: int, path: str, whose: str) -> None:
    if row in taken:
        raise CdulEdgeError(
            f"{taken[row]!r} and {path!r} both fit one picture of {whose}: "
            f"give their paths as {whose} does"
        )
    taken[row] = path
