"""Labels that people gave to some pictures, read from files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file
from cdul_edge_runtime.metrics.matching import clean_path, find_rows, name_stem
from cdul_edge_runtime.metrics.truth_csv import read_csv
from cdul_edge_runtime.metrics.truth_formats import RawTruth, read_npz

Observed = npt.NDArray[np.int8]

_NOTHING = "nothing is known in it: drop the option, or give some labels"


@dataclass(frozen=True)
class Answers:
    """What people said of K entries (a picture and a class), each once, by picture and class.

    Attributes:
        rows: (K,) numbers of pictures.
        columns: (K,) numbers of classes.
        present: (K,) whether the picture shows the class.
    """

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    present: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def table(self, pictures: int, classes: int) -> Observed:
        """(N, C) int8: 1 present, -1 absent, 0 for what nobody said."""
        table = np.zeros((pictures, classes), np.int8)
        table[self.rows, self.columns] = np.where(self.present, 1, -1)
        return table


@dataclass(frozen=True)
class GivenAnswers:
    """Label files whose classes are known, and whose pictures are still to be found.

    Attributes:
        files: what each says, in the order in which they were given; at least one.
        classes: of the columns.
    """

    files: tuple[_Sheet, ...]
    classes: ClassList

    @property
    def stems(self) -> frozenset[str]:
        """The stems of all pictures named: no other picture can be meant."""
        return frozenset(name_stem(path) for sheet in self.files for path in sheet.paths)

    def digests(self) -> dict[str, str]:
        """The sha256 of each file, by its path."""
        return {str(sheet.file): sha256_file(sheet.file) for sheet in self.files}

    def find(
        self,
        labels_paths: Sequence[str],
        count: int | None = None,
        root: Location | None = None,
    ) -> Answers:
        """Find the pictures, and merge what the files say.

        Args:
            labels_paths: pictures of the pseudo-labels: all, or all that have one of the `stems`.
            count: how many the pseudo-labels have; None: these.
            root: the folder that they are relative to: a path that lies in it names one picture.

        Raises:
            CdulEdgeError: pictures that are not among them, or a label both ways.
        """
        known = _Pictures(labels_paths, len(labels_paths) if count is None else count, root)
        found = [sheet.entries(known) for sheet in self.files]
        rows, columns, present = (np.concatenate(parts) for parts in zip(*found, strict=True))
        sources = np.repeat(np.arange(len(found)), [len(part[0]) for part in found])
        entries = rows * len(self.classes) + columns
        first, inverse = np.unique(entries, return_index=True, return_inverse=True)[1:]
        against = np.flatnonzero(present != present[first][inverse])
        if len(against):
            one, other = first[inverse[against[0]]], against[0]
            shown = (labels_paths[rows[other]], self.classes.names[columns[other]])
            sides = (one, other) if present[one] else (other, one)
            there, not_there = (self.files[sources[side]].file for side in sides)
            raise CdulEdgeError(
                _contradiction(there, not_there, *shown, len(np.unique(entries[against])))
            )
        return Answers(rows[first], columns[first], present[first])


def read_observed(
    files: Sequence[Path],
    labels_paths: Sequence[str],
    classes: ClassList,
    root: Location | None = None,
) -> Observed:
    """Read known labels, and merge them; of each file in one of three forms.

    * CSV multi-hot: `image_path,<class>,<class>…` with 1, 0, and -1 or nothing for unknown; a class
      without a column is unknown;
    * NPZ with the arrays `names`, `classes`, `labels`, of the same values;
    * CSV `image_path,label`: names joined by commas, `dog` for one that is there and `-dog` for one
      that is not; what is not named is unknown. A picture may have several rows.

    Pictures and classes are matched as truth is: by path, else file name, else stem; whatever the
    names' case, spaces and hyphens.

    Args:
        files: one or more.
        labels_paths: N paths of the pseudo-labels.
        classes: of the C columns.
        root: the folder that the paths are relative to; None where that is not known.

    Returns:
        (N, C) 1, -1, or 0.

    Raises:
        CdulEdgeError: no such file or another format, pictures that are not labeled, unknown
            classes, a label both ways, in one file or in two, or a file in which nothing is known.
    """
    found = read_answers(files, classes).find(labels_paths, root=root)
    return found.table(len(labels_paths), len(classes))


def read_answers(files: Sequence[Path], classes: ClassList) -> GivenAnswers:
    """Read label files as `read_observed` does, before the pictures are known.

    Raises:
        CdulEdgeError: no such file or another format, unknown classes, or a file in which nothing
            is known.
    """
    return GivenAnswers(tuple(_to_sheet(_read(file), file, classes) for file in files), classes)


def answers_of(raw: RawTruth, file: Path, classes: ClassList) -> GivenAnswers:
    """Answers that another reader found in `file`; errors as of `read_answers`."""
    return GivenAnswers((_to_sheet(raw, file, classes),), classes)


@dataclass(frozen=True)
class _Pictures:
    """Pictures of the pseudo-labels, as `GivenAnswers.find` takes them."""

    paths: Sequence[str]
    count: int
    root: Location | None

    def relative(self, path: str) -> str:
        """A path that lies in the root, as seen from there; another as it is."""
        if not isinstance(self.root, Path):
            return path
        root, whole = clean_path(f"{self.root.absolute()}"), clean_path(path)
        return whole.removeprefix(f"{root}/") if whole.startswith(f"{root}/") else path


@dataclass(frozen=True)
class _Sheet:
    """What one file says.

    Attributes:
        paths: its M rows' pictures, as it names them.
        columns: (K,) our column of each of the file's.
        values: (M, K) 1 present, -1 absent, 0 unknown.
    """

    file: Path
    paths: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    values: Observed

    def entries(
        self, known: _Pictures
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Row, column, and whether it is there, of everything that it knows."""
        pictures, names = np.nonzero(self.values)
        rows = _rows(self.paths, known, self.file)
        return rows[pictures], self.columns[names], self.values[pictures, names] > 0


def _contradiction(there: Path, not_there: Path, path: str, name: str, count: int) -> str:
    if there == not_there:
        return (
            f"{there} contradicts itself on {count} label(s): {name!r} is both there and not there "
            f"in {path!r}: keep one of the two"
        )
    return (
        f"{there} and {not_there} contradict each other on {count} label(s): {name!r} is there in "
        f"{path!r} by the first and not by the second: keep one of the two"
    )


def _to_sheet(raw: RawTruth, file: Path, classes: ClassList) -> _Sheet:
    columns, values = _signed(raw, classes, file)
    if not values.any():
        raise CdulEdgeError(f"{file}: {_NOTHING}")
    return _Sheet(file, tuple(raw.paths), columns, values)


def _read(file: Path) -> RawTruth:
    readers: dict[str, Callable[[Path], RawTruth]] = {".csv": read_csv, ".npz": read_npz}
    if not file.is_file():
        raise CdulEdgeError(f"the observed labels {file} are not a file: check the path")
    if file.suffix.lower() not in readers:
        raise CdulEdgeError(f"{file} holds no observed labels: expected .csv or .npz")
    raw = readers[file.suffix.lower()](file)
    if raw.labels.shape != (len(raw.paths), len(raw.classes)):
        raise CdulEdgeError(
            f"{file}: {len(raw.paths)} names and {len(raw.classes)} classes do not fit labels "
            f"{raw.labels.shape}"
        )
    return raw


def _signed(
    raw: RawTruth, classes: ClassList, file: Path
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]]:
    """(K,) our column of each of the file's columns, and (M, K) values 1, -1, 0 of its rows."""
    names = raw.classes
    if raw.names_present_only:  # a class's own name may begin with a hyphen, too
        absent = [name.startswith("-") and name not in classes.names for name in names]
        names = tuple(name[minus:] for name, minus in zip(names, absent, strict=True))
        values = np.where(absent, -raw.labels, raw.labels).astype(np.int8)
    else:
        values = np.where(raw.labels < 0, 0, 2 * raw.labels - 1).astype(np.int8)
    where = {fold_class(name): column for column, name in enumerate(classes)}
    unknown = sorted({name for name in names if fold_class(name) not in where})
    if unknown and unknown[0].startswith("#") and unknown[0].endswith(("?", "!")):
        raise CdulEdgeError(
            f"{file} names {unknown[0]!r}, which a spreadsheet puts where it takes '-dog' for a "
            "formula: take the file as it was before, or import its columns as text"
        )
    if unknown:
        near = difflib.get_close_matches(unknown[0], classes.names, 3, 0.5) or classes.names[:8]
        raise CdulEdgeError(
            f"{file} names {', '.join(map(repr, unknown[:3]))}, which "
            f"{'is no class' if len(unknown) == 1 else 'are no classes'} of the labels: their "
            f"{len(classes)} classes include {', '.join(near)}"
        )
    exact = {name: column for column, name in enumerate(classes)}  # "fire-truck", "fire truck"
    found = [exact.get(name, where[fold_class(name)]) for name in names]
    return np.array(found, dtype=np.intp), values


def _rows(pictures: Sequence[str], known: _Pictures, file: Path) -> npt.NDArray[np.intp]:
    """(M,) the row of the pseudo-labels for each of the file's."""
    asked = [known.relative(path) for path in pictures]
    unique = list(dict.fromkeys(asked))
    try:
        matches = find_rows(known.paths, unique, whose="the label file")
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{file}: {error}") from error
    if not matches.found.all():
        unknown = [path for path, there in zip(unique, matches.found, strict=True) if not there]
        raise CdulEdgeError(
            f"{file} names {len(unknown)} picture(s) that are not among the {known.count} "
            f"labeled ones (such as {unknown[0]!r}): take them out, or label them"
        )
    row = dict(zip(unique, matches.rows, strict=True))
    return np.array([row[path] for path in asked], dtype=np.intp)
