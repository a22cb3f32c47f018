"""Ground truth, for reporting only: five formats in, one table out."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.choices import Difficult
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.metrics.class_columns import find_columns
from cdul_edge_runtime.metrics.matching import Matches, Pair, clean_path, find_rows
from cdul_edge_runtime.metrics.truth_coco import read_coco
from cdul_edge_runtime.metrics.truth_csv import read_csv
from cdul_edge_runtime.metrics.truth_formats import RawTruth, read_npz
from cdul_edge_runtime.metrics.truth_voc import read_voc


@dataclass(frozen=True)
class TruthTable:
    """What is known of M pictures.

    Attributes:
        classes: C names as the file spells them.
        paths: M POSIX paths, file names or stems as the file gives them, unique.
        labels: (M, C) int8: 1 present, 0 absent, -1 unknown.
        names_present_only: the format can name a class only where a picture shows it (VOC, lists
            of names), so that a class it lacks is one that no picture shows.
        aliases: none, or M other names of the same pictures, empty where there is none; they count
            for pictures that no path means.
        whose: what messages call it: "the truth", and the file where it was read from one.

    Raises:
        CdulEdgeError: shapes that do not fit, a path or class twice, another label value.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int8]
    names_present_only: bool = False
    aliases: tuple[str, ...] = ()
    whose: str = "the truth"

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.paths), len(self.classes)):
            raise CdulEdgeError(
                f"{len(self.paths)} pictures and {len(self.classes)} classes do not fit "
                f"labels {self.labels.shape}"
            )
        twice = _twice([clean_path(path) for path in self.paths])
        faults = [f"names the picture {path!r} twice" for path in twice]
        folded = [fold_class(name) for name in self.classes]
        faults += [f"names the class {name!r} twice" for name in _twice(folded)]
        if not np.isin(self.labels, (-1, 0, 1)).all():
            faults.append("holds labels other than 1 (present), 0 (absent), -1 (unknown)")
        if faults:
            raise CdulEdgeError(f"the truth {'; '.join(faults[:3])}")

    def for_paths(
        self, paths: Sequence[str], classes: ClassList, root: Path | None = None
    ) -> npt.NDArray[np.int8]:
        """Truth of these pictures, in their order, columns in the order of `classes`.

        A picture is found by its whole path, else by its file name, else by its stem (the file
        name without a picture ending), and only where folders do not contradict: see `find_rows`.
        Class names match whatever their case, spaces and hyphens.

        Args:
            paths: N pictures.
            classes: C classes.
            root: the folder that relative paths lie in, where that is known: truth that names
                another folder is said with a `CdulEdgeWarning`.

        Returns:
            (N, C) int8; pictures that the truth does not name are all -1. Classes that it lacks are
            0, with a `CdulEdgeWarning`, where it names classes that are present only.

        Raises:
            CdulEdgeError: a class the truth lacks, no picture found or nothing known of any, or a
                name that fits several.
        """
        columns = find_columns(
            self.classes,
            classes,
            present_only=self.names_present_only,
            whose=self.whose,
            stacklevel=4,
        )
        matches = find_rows(self.paths, paths, whose=self.whose, root=root)
        rows, found = self._with_aliases(matches, paths)
        if not found.any():
            raise CdulEdgeError(f"{self.whose} {_nothing_found(self.paths, paths, matches)}")
        _warn_of_folders(matches)
        nowhere = np.zeros((len(self.paths), 1), dtype=np.int8)
        known = np.hstack([self.labels, nowhere])[rows][:, columns]
        labels = np.where(found[:, None], known, np.int8(-1)).astype(np.int8)
        if not (labels >= 0).any():
            raise CdulEdgeError(
                f"{self.whose} knows no class of any of the {int(found.sum())} pictures that it "
                "shares with these: every entry is -1 or empty; give at least one 0 or 1"
            )
        return labels

    def _with_aliases(
        self, matches: Matches, paths: Sequence[str]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Add pictures that no path means, by another name; a row is one picture's at most."""
        rows, found = matches.rows.copy(), matches.found.copy()
        taken = set(rows[found].tolist())
        counts = Counter(self.aliases)
        by_name = {
            _name(alias): row
            for row, alias in enumerate(self.aliases)
            if alias and counts[alias] == 1 and row not in taken
        }
        for number in np.flatnonzero(~found).tolist() if by_name else ():
            row = by_name.pop(_name(paths[number]), None)
            if row is not None:
                rows[number], found[number] = row, True
        return rows, found


def read_truth(path: Path, *, difficult: Difficult = "negative") -> TruthTable:
    """Read ground truth, told apart by the file's kind.

    * CSV multi-hot: `image_path,<class>,<class>…` with 1, 0, and -1 or nothing for unknown;
    * CSV `image_path,label`: names joined by commas, semicolons or bars; empty for none;
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
            f"{path} is not truth: expected .csv, COCO .json, .npz or a folder of VOC .xml files"
        )
    try:
        return TruthTable(*raw, whose=f"the truth {path}")
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{path}: {error}") from error


def _name(path: str) -> str:
    return clean_path(path).rpartition("/")[2]


def _nothing_found(known: Sequence[str], asked: Sequence[str], matches: Matches) -> str:
    if matches.elsewhere:
        return (
            f"names none of the {len(asked)} pictures: file names are the same, but "
            f"folders differ, {_example(matches.elsewhere)}; give the truth of these pictures, or "
            "take its folders out"
        )
    there = f"such as {known[0]!r}" if known else "no pictures"
    return (
        f"names none of the {len(asked)} pictures: it has {there}, and they are called "
        f"such as {asked[0]!r}: give the truth of these pictures"
    )


def _warn_of_folders(matches: Matches) -> None:
    if matches.elsewhere:
        _warn(
            f"no truth for {len(matches.elsewhere)} picture(s), because it names them in another "
            f"folder, {_example(matches.elsewhere)}"
        )
    if matches.doubtful:
        _warn(
            f"{len(matches.doubtful)} picture(s) found in the truth by file name, but it names "
            f"another folder, {_example(matches.doubtful)}: check that it is their truth"
        )


def _example(pairs: Sequence[Pair]) -> str:
    return f"such as {pairs[0].known!r} for {pairs[0].asked!r}"


def _warn(text: str) -> None:
    warnings.warn(text, CdulEdgeWarning, stacklevel=4)


def _twice(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
