"""Ground truth, for reporting only: five formats in, one table out."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.metrics.truth_formats import (
    Difficult,
    RawTruth,
    read_coco,
    read_csv,
    read_npz,
    read_voc,
)
from cdul_edge_runtime.pictures.walk import SUFFIXES

Match = Literal["path", "file name", "stem"]


@dataclass(frozen=True)
class TruthTable:
    """What is known of M pictures.

    Attributes:
        classes: C names as the file spells them.
        paths: M POSIX paths, file names or stems as the file gives them, unique.
        labels: (M, C) int8: 1 present, 0 absent, -1 unknown.
        names_present_only: the format can name a class only where a picture shows it (VOC, lists
            of names), so that a class it lacks is one that no picture shows.

    Raises:
        CdulEdgeError: shapes that do not fit, a path or class twice, another label value.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int8]
    names_present_only: bool = False

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.paths), len(self.classes)):
            raise CdulEdgeError(
                f"{len(self.paths)} pictures and {len(self.classes)} classes do not fit "
                f"labels {self.labels.shape}"
            )
        faults = [f"names the picture {path!r} twice" for path in _twice(self.paths)]
        folded = [fold_class(name) for name in self.classes]
        faults += [f"names the class {name!r} twice" for name in _twice(folded)]
        if not np.isin(self.labels, (-1, 0, 1)).all():
            faults.append("holds labels other than 1 (present), 0 (absent), -1 (unknown)")
        if faults:
            raise CdulEdgeError(f"the truth {'; '.join(faults[:3])}")

    def for_paths(self, paths: Sequence[str], classes: ClassList) -> npt.NDArray[np.int8]:
        """Truth of these pictures, in their order, columns in the order of `classes`.

        A picture is found by its whole path, else by its file name, else by its stem (the file
        name without a picture ending); class names match whatever their case, spaces and hyphens.

        Returns:
            (N, C) int8; pictures that the truth does not name are all -1. Classes that it lacks are
            0, with a `CdulEdgeWarning`, where it names classes that are present only.

        Raises:
            CdulEdgeError: a class the truth lacks, no picture found, or a name that fits several.
        """
        columns = self._columns(classes)
        rows, found = find_rows(self.paths, paths, whose="the truth")
        if not found.any():
            raise CdulEdgeError(
                f"the truth names none of the {len(paths)} pictures: it has {self.paths[:1]}, "
                f"the pictures are called {tuple(paths[:1])}"
            )
        nowhere = np.zeros((len(self.paths), 1), dtype=np.int8)
        known = np.hstack([self.labels, nowhere])[rows][:, columns]
        return np.where(found[:, None], known, np.int8(-1)).astype(np.int8)

    def _columns(self, classes: ClassList) -> list[int]:
        """Each class's column; -1 for a class that no picture shows."""
        where = {fold_class(name): column for column, name in enumerate(self.classes)}
        missing = [name for name in classes if fold_class(name) not in where]
        if missing and (not self.names_present_only or len(missing) == len(classes)):
            raise CdulEdgeError(
                f"the truth has no class {', '.join(map(repr, missing))}: it has "
                f"{', '.join(self.classes)} (a class without a positive needs a column of zeros)"
            )
        if missing:
            self._warn_of(missing, classes)
        return [where.get(fold_class(name), -1) for name in classes]

    def _warn_of(self, missing: list[str], classes: ClassList) -> None:
        asked = {fold_class(name) for name in classes}
        others = [name for name in self.classes if fold_class(name) not in asked]
        hint = f"; it names {', '.join(others)}, which were not asked for" if others else ""
        warnings.warn(
            f"the truth names {', '.join(missing)} in no picture, so all count as absent{hint}",
            CdulEdgeWarning,
            stacklevel=4,
        )


def read_truth(path: Path, *, difficult: Difficult = "negative") -> TruthTable:
    """Read ground truth, told apart by the file's kind.

    * CSV multi-hot: `image_path,<class>,<class>…` with 1, 0, and -1 or nothing for unknown;
    * CSV `image_path,label`: names joined by commas, an empty label for none;
    * a folder of VOC annotation XML files;
    * COCO instances JSON;
    * NPZ with the arrays `names`, `classes`, `labels`.

    Args:
        path: the file or folder.
        difficult: what a class is in a VOC picture that shows only objects marked difficult:
            "negative" (0), "ignore" (-1) or "positive" (1).

    Raises:
        CdulEdgeError: nothing there, another format, or a damaged file.
    """
    readers: dict[str, Callable[[Path], RawTruth]] = {
        ".csv": read_csv,
        ".json": read_coco,
        ".npz": read_npz,
    }
    if not path.exists():
        raise CdulEdgeError(f"the truth {path} does not exist: check the path")
    if path.is_dir():
        raw = read_voc(path, difficult)
    elif path.suffix.lower() in readers:
        raw = readers[path.suffix.lower()](path)
    else:
        raise CdulEdgeError(
            f"{path} is no truth: expected .csv, COCO .json, .npz or a folder of VOC .xml files"
        )
    try:
        return TruthTable(*raw)
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{path}: {error}") from error


def find_rows(
    known: Sequence[str], asked: Sequence[str], *, whose: str
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Which of the `known` pictures each of the `asked` ones is; both unique.

    A picture is found by its whole path, else by its file name, else by its stem.

    Args:
        whose: what the known pictures are those of, for messages: "the truth".

    Returns:
        (N,) rows of `known`, 0 where there is none, and (N,) whether there is one.

    Raises:
        CdulEdgeError: a name that fits several known pictures, or two that fit the same.
    """
    index = {match: _index(known, key) for match, key in _KEYS.items()}
    rows = np.zeros(len(asked), dtype=np.intp)
    found = np.zeros(len(asked), dtype=np.bool_)
    taken: dict[int, str] = {}
    for position, path in enumerate(asked):
        for match, key in _KEYS.items():
            candidates = _nearest(index[match].get(key(path), []), path, known)
            if len(candidates) > 1:
                raise CdulEdgeError(
                    f"{whose} has several pictures for {path!r} by {match}: "
                    f"{known[candidates[0]]!r}, {known[candidates[1]]!r}; "
                    f"give the paths as {whose} does"
                )
            if candidates:
                rows[position], found[position] = candidates[0], True
                _refuse_shared(taken, candidates[0], path, whose)
                break
    return rows, found


def fold_class(name: str) -> str:
    """A class name as names are compared: without case, spaces, hyphens and underscores."""
    return "".join(c for c in name.casefold() if c not in " -_")


def _stem(path: str) -> str:
    # Not PurePath.stem: an id such as "2008.17" has no picture ending to lose.
    name = PurePosixPath(path).name
    head, dot, ending = name.rpartition(".")
    return head if dot and head and f".{ending.lower()}" in SUFFIXES else name


_KEYS: dict[Match, Callable[[str], str]] = {
    "path": lambda path: PurePosixPath(path).as_posix(),
    "file name": lambda path: PurePosixPath(path).name,
    "stem": _stem,
}


def _index(paths: Sequence[str], key: Callable[[str], str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        rows[key(path)].append(row)
    return rows


def _nearest(candidates: list[int], path: str, known: Sequence[str]) -> list[int]:
    """Of several, the ones of which one path ends with the other: val/1.jpg is /x/val/1.jpg."""
    if len(candidates) < 2:
        return candidates
    ending = [
        row
        for row in candidates
        if f"/{path}".endswith(f"/{known[row]}") or f"/{known[row]}".endswith(f"/{path}")
    ]
    return ending or candidates


def _refuse_shared(taken: dict[int, str], row: int, path: str, whose: str) -> None:
    if row in taken:
        raise CdulEdgeError(
            f"{taken[row]!r} and {path!r} both fit one picture of {whose}: "
            f"give their paths as {whose} does"
        )
    taken[row] = path


def _twice(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
