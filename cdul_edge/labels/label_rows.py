"""Rows of pseudo-labels, in memory and as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cdul_edge.labels.parquet_files import read_batches, read_column, to_metadata
from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import LabelsError

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelRows:
    """Soft labels of M pictures.

    Attributes:
        paths: M POSIX paths.
        scores: (M, C) float32 in [0, 1]; rows need not sum to 1.
        cosines: (M, C) float32 cosines of the whole pictures, up to a constant a picture; None
            where they are not known.

    Raises:
        LabelsError: shapes that do not fit, a score outside [0, 1], or a cosine that is not finite.
    """

    paths: Sequence[str]
    scores: Singles
    cosines: Singles | None = None

    def __post_init__(self) -> None:
        shape = self.scores.shape
        if len(shape) != 2 or len(self.paths) != len(self.scores):
            raise LabelsError(f"{len(self.paths)} paths do not fit scores {shape}")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():  # NaN fails both comparisons
            raise LabelsError("the pseudo-labels hold scores outside [0, 1]: label again")
        if self.cosines is not None and (
            self.cosines.shape != shape or not np.isfinite(self.cosines).all()
        ):
            raise LabelsError(
                f"the pseudo-labels hold cosines {self.cosines.shape} that do not fit scores "
                f"{shape}, or are not finite: label the folder again"
            )


def to_table(rows: LabelRows, about: Mapping[str, object]) -> pa.Table:
    """Columns `path`, `scores` and, where known, `cosines`; `about` is what stands beside them."""
    columns = {"path": pa.array(rows.paths, pa.string()), "scores": _lists(rows.scores)}
    if rows.cosines is not None:
        columns["cosines"] = _lists(rows.cosines)
    return pa.table(columns).replace_schema_metadata(to_metadata(about))


def read_rows(
    file: Location, classes: int, columns: Sequence[str], rows: int
) -> Iterator[LabelRows]:
    """The rows of a Parquet file, at most so many at once, every value checked.

    Args:
        file: where it lies.
        classes: C.
        columns: "path", "scores" and "cosines", or some of them; without "scores" they are 0.
        rows: at most, per batch.

    Raises:
        LabelsError: it is missing or damaged; the message has no advice at its end yet.
    """
    for table in read_batches(file, columns, rows):
        try:
            found = _to_rows(table, classes)
        except LabelsError as error:
            raise LabelsError(f"{file} is damaged ({error})") from error
        yield found


def _to_rows(table: pa.Table, classes: int) -> LabelRows:
    there = table.column_names
    paths: Sequence[str] = [""] * len(table)
    if "path" in there:
        paths = read_column(table, "path", pa.string()).to_pylist()
    scores = np.zeros((len(table), classes), np.float32)
    if "scores" in there:
        scores = _matrix(table, "scores", classes)
    cosines = _matrix(table, "cosines", classes) if "cosines" in there else None
    return LabelRows(paths, scores, cosines)


def _matrix(table: pa.Table, name: str, width: int) -> Singles:
    column = read_column(table, name, pa.list_(pa.float32(), width))
    values = np.array(column.flatten().to_numpy(zero_copy_only=False))  # Arrow's are read-only
    return values.reshape(-1, width)


def _lists(values: Singles) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
