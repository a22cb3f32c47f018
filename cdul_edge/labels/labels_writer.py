"""Pseudo-labels written as they are made, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labels.distinct_paths import DistinctPaths
from cdul_edge.labels.label_rows import LabelRows, Singles, read_rows, to_table
from cdul_edge.labels.label_stream import (
    BATCH,
    COMMON,
    FILE_NAME,
    FORMAT,
    NAMED_TWICE,
    LabelPart,
    describe_labels,
    part_file,
)
from cdul_edge.storage.location import Location
from cdul_edge.storage.storage import Storage
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import LabelsError

# One file holds so many rows, and so does each part where there are more. 80 classes: 21 MB.
ROWS = 1 << 14
# Parts lie here until their thresholds are known: what they replace stays whole until then.
UNFINISHED = "unfinished_labels"


class LabelsWriter:
    """Takes rows, and writes them into a labels folder: one file, or parts where there are many.

    It is a context: what was not finished when it ends is removed.

    with LabelsWriter(storage, root, classes) as writer:
        writer.add(paths, scores, cosines)
        writer.seal()
        writer.finish(thresholds, provenance)
    """

    def __init__(
        self, storage: Storage, root: Location, classes: ClassList, rows: int | None = None
    ) -> None:
        self._storage, self._root, self._classes = storage, root, classes
        self._limit = ROWS if rows is None else rows
        self._held: list[LabelRows] = []
        self._parts: list[LabelPart] = []
        self._paths = DistinctPaths()
        self._has_cosines = False
        self._finished = False
        self.count = 0

    def __enter__(self) -> LabelsWriter:
        _remove(self._storage, UNFINISHED)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._paths.close()
        if not self._finished:
            with suppress(Exception):  # what went wrong first is what matters
                _remove(self._storage, UNFINISHED)

    @property
    def fits(self) -> bool:
        """Whether all that was added is in memory still, to become one file."""
        return not self._parts

    def add(self, paths: Sequence[str], scores: Singles, cosines: Singles | None) -> None:
        """Take M more rows; either all have cosines or none has.

        Raises:
            LabelsError: shapes that do not fit, a score outside [0, 1], or a cosine that is not
                finite.
        """
        rows = LabelRows(paths, scores, cosines)
        if rows.scores.shape[1] != len(self._classes):
            raise LabelsError(f"scores {scores.shape} do not fit {len(self._classes)} classes")
        self._paths.add(paths)
        self._has_cosines = cosines is not None
        self.count += len(paths)
        for start in range(0, len(paths), self._limit):
            self._held.append(_cut(rows, slice(start, start + self._limit)))
            if sum(len(one.paths) for one in self._held) > self._limit:
                held = _join(self._held, len(self._classes))
                self._write_part(_cut(held, slice(0, self._limit)))
                self._held = [_cut(held, slice(self._limit, None))]

    def gather(self) -> LabelRows:
        """All rows, where they fit."""
        assert self.fits
        return _join(self._held, len(self._classes))

    def read(self) -> Iterator[Singles]:
        """The scores of all rows that were added, from the start."""
        for rows in self._read("scores"):
            yield rows.scores

    def seal(self) -> None:
        """Take no more rows.

        Raises:
            LabelsError: a picture came twice, or there is something in the place of the labels that
                this program did not make.
        """
        twice = self._paths.find_twice(lambda: (rows.paths for rows in self._read("path")))
        if twice is not None:
            raise LabelsError(f"{NAMED_TWICE} (it is {twice!r})")
        foreign = [name for name in _names(self._storage, FILE_NAME) if not _is_own(name)]
        if self.fits and foreign:
            raise LabelsError(
                f"{self._storage.where / foreign[0]} is not of cdul-edge, and lies where the "
                "labels become one file: move it away"
            )
        if not self.fits and self._held:
            self._write_part(_join(self._held, len(self._classes)))
            self._held = []

    def finish(self, thresholds: Singles, provenance: Mapping[str, object]) -> None:
        """Put the labels in the place of those that were there; `seal` comes first.

        A reader sees the former ones or the new ones. Where either are parts, it is told for the
        moment in between that they are not finished.

        Args:
            thresholds: (C,) float32.
            provenance: what made them; plain values.
        """
        about = describe_labels(self._root, self._classes, thresholds, provenance)
        self._storage.remove(f"{FILE_NAME}/{COMMON}")
        if self.fits:
            _remove_parts(self._storage, 0)
            with self._storage.write(FILE_NAME) as temporary:
                _write(to_table(self.gather(), about), temporary)
        else:
            self._put_parts({**about, "parts": [asdict(part) for part in self._parts]})
        self._finished = True

    def _put_parts(self, about: Mapping[str, object]) -> None:
        if not _names(self._storage, FILE_NAME):
            self._storage.remove(FILE_NAME)  # a file of former labels
        for index in range(len(self._parts)):
            self._storage.move(part_file(UNFINISHED, index), part_file(FILE_NAME, index))
        _remove_parts(self._storage, len(self._parts))
        _remove(self._storage, UNFINISHED)
        empty = LabelRows([], np.zeros((0, len(self._classes)), np.float32))
        if self._has_cosines:
            empty = replace(empty, cosines=empty.scores)
        schema = to_table(empty, about).schema
        with self._storage.write(f"{FILE_NAME}/{COMMON}") as temporary:
            pq.write_metadata(schema, temporary)

    def _write_part(self, rows: LabelRows) -> None:
        index = len(self._parts)
        with self._storage.write(part_file(UNFINISHED, index)) as temporary:
            _write(to_table(rows, {"format": FORMAT, "part": index}), temporary)
            self._parts.append(LabelPart(len(rows.paths), temporary.stat().st_size))

    def _read(self, *columns: str) -> Iterator[LabelRows]:
        for index in range(len(self._parts)):
            file = self._storage.where / part_file(UNFINISHED, index)
            yield from read_rows(file, len(self._classes), columns, BATCH)
        yield from self._held


def _write(table: pa.Table, file: Path) -> None:
    pq.write_table(table, file, compression="zstd")


def _cut(rows: LabelRows, places: slice) -> LabelRows:
    cosines = None if rows.cosines is None else rows.cosines[places]
    return LabelRows(rows.paths[places], rows.scores[places], cosines)


def _join(held: Sequence[LabelRows], classes: int) -> LabelRows:
    """The rows in one piece; either all have cosines or none has."""
    if not held:
        return LabelRows([], np.zeros((0, classes), np.float32))
    cosines = [rows.cosines for rows in held if rows.cosines is not None]
    if cosines and len(cosines) != len(held):
        raise LabelsError("some of the pseudo-labels have cosines, and others none: label again")
    return LabelRows(
        [path for rows in held for path in rows.paths],
        np.concatenate([rows.scores for rows in held]),
        np.concatenate(cosines) if cosines else None,
    )


def _names(storage: Storage, folder: str) -> list[str]:
    return [name for name in storage.sizes(folder) if name.startswith(f"{folder}/")]


def _is_own(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base == COMMON or fnmatchcase(base, "part-*.parquet")


def _remove_parts(storage: Storage, kept: int) -> None:
    """Remove the parts of former labels but the first ones; with all of them, their folder too."""
    stay = {part_file(FILE_NAME, index) for index in range(kept)}
    for name in _names(storage, FILE_NAME):
        if name not in stay and _is_own(name):
            storage.remove(name)
    if not kept:
        _remove(storage, FILE_NAME)


def _remove(storage: Storage, folder: str) -> None:
    """Remove parts below a folder; on a file system the folder itself, if it is empty then."""
    for name in _names(storage, folder):
        if _is_own(name):
            storage.remove(name)
    place = storage.where / folder
    if isinstance(place, Path) and place.is_dir():
        for file in place.glob(".*.tmp"):  # of a process that was killed
            file.unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it
            place.rmdir()
