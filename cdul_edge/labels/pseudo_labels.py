"""The pseudo-labels of a set of pictures: the file in which labeling and training meet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labels.manifest import check_labels_folder
from cdul_edge.labels.parquet_files import read_column, read_facts, read_table
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.threshold_values import thresholds_from_json, thresholds_to_json
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.json_record import parse_record

FORMAT = 1
FILE_NAME = "pseudo_labels.parquet"
# `scores_of` in the provenance of a file that holds predictions in the form of labels.
SCORES_OF_NETWORK = "network"
_KEY = b"cdul_edge"  # pandas, DuckDB and Spark carry unknown schema metadata along


@dataclass(frozen=True)
class PseudoLabels:
    """Soft labels of N pictures, immutable; refined labels are a new file.

    Attributes:
        root: the folder that `paths` are relative to.
        paths: N POSIX paths, unique.
        classes: names of the C columns.
        scores: (N, C) float32 in [0, 1]; rows need not sum to 1.
        thresholds: (C,) float32; a score at or above it counts as positive.
        provenance: what made them: program version, settings, inputs' digests.
        cosines: (N, C) float32 cosines of the whole pictures, up to a constant a picture; None
            where they are not known.

    Raises:
        LabelsError: shapes that do not fit, a path twice, a score outside [0, 1], or a cosine that
            is not finite.
    """

    root: Path
    paths: tuple[str, ...]
    classes: ClassList
    scores: npt.NDArray[np.float32]
    thresholds: npt.NDArray[np.float32]
    provenance: dict[str, Any] = field(default_factory=dict)
    cosines: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.paths), len(self.classes))
        if self.scores.shape != shape or self.thresholds.shape != shape[1:]:
            raise LabelsError(
                f"{len(self.paths)} paths and {len(self.classes)} classes do not fit scores "
                f"{self.scores.shape} and thresholds {self.thresholds.shape}"
            )
        if len(set(self.paths)) != len(self.paths):
            raise LabelsError("the pseudo-labels name a picture twice: label the folder again")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():  # NaN fails both comparisons
            raise LabelsError("the pseudo-labels hold scores outside [0, 1]: label again")
        if self.cosines is not None and (
            self.cosines.shape != shape or not np.isfinite(self.cosines).all()
        ):
            raise LabelsError(
                f"the pseudo-labels hold cosines {self.cosines.shape} that do not fit scores "
                f"{shape}, or are not finite: label the folder again"
            )

    def write(self, path: Path) -> None:
        """Write one Parquet file with `path`, `scores` and, where known, `cosines`; atomically."""
        about = {
            "format": FORMAT,
            "root": str(self.root),
            "classes": list(self.classes),
            "thresholds": thresholds_to_json(self.thresholds),
            "provenance": self.provenance,
        }
        columns = {"path": pa.array(self.paths, pa.string()), "scores": _lists(self.scores)}
        if self.cosines is not None:
            columns["cosines"] = _lists(self.cosines)
        metadata = {_KEY: json.dumps(about, ensure_ascii=False).encode()}
        table = pa.table(columns).replace_schema_metadata(metadata)
        with atomic_write(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> PseudoLabels:
        """Read a Parquet file, or the one of a labels folder.

        Raises:
            LabelsError: no such file, a damaged one, one of another format, or a labels folder
                that is not finished or lacks a part.
        """
        file = path / FILE_NAME if path.is_dir() else path
        if path.is_dir():
            check_labels_folder(path)
        if not file.is_file():
            raise LabelsError(f"{file} does not exist: make it with `cdul-edge label`")
        try:
            return _read(file)
        except CdulEdgeError as error:
            raise LabelsError(
                f"{error}: run `cdul-edge label` again with the same --out"
            ) from error


def _lists(values: npt.NDArray[np.float32]) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


@dataclass(frozen=True)
class _Facts:
    """What stands beside the columns."""

    root: str
    classes: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    provenance: dict[str, Any]


def _read(file: Path) -> PseudoLabels:
    """Errors lack their end, which says what to do."""
    table = read_table(file)
    about = read_facts(table.schema, file)
    if not about or not {"path", "scores"} <= set(table.column_names):
        raise LabelsError(f"{file} is not a pseudo-label file of cdul-edge")
    if about.get("format") != FORMAT:
        raise LabelsError(
            f"{file} has format {about.get('format')}, this program reads {FORMAT}: use the "
            "program that made it, or"
        )
    known = "cosines" in table.column_names
    try:
        facts = parse_record(_Facts, about)
        return PseudoLabels(
            root=Path(facts.root),
            paths=tuple(read_column(table, "path", pa.string()).to_pylist()),
            classes=ClassList(facts.classes),
            scores=_matrix(table, "scores", len(facts.classes)),
            thresholds=thresholds_from_json(facts.thresholds),
            provenance=facts.provenance,
            cosines=_matrix(table, "cosines", len(facts.classes)) if known else None,
        )
    except CdulEdgeError as error:
        raise LabelsError(f"{file} is damaged ({error})") from error


def _matrix(table: pa.Table, name: str, width: int) -> npt.NDArray[np.float32]:
    column = read_column(table, name, pa.list_(pa.float32(), width))
    values = np.array(column.flatten().to_numpy(zero_copy_only=False))  # Arrow's are read-only
    return values.reshape(-1, width)
