"""Pseudo-labels wherever they lie, as one file or as a folder of parts, batch by batch.

Few labels are one file, `pseudo_labels.parquet`. Many are a folder of that name with parts of equal
size, which pandas and PyArrow read by the same name, and with what stands beside the columns in
Parquet's own `_common_metadata`. That file is written last and removed first: without
it, the parts are not finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cdul_edge.labels.label_rows import LabelRows, read_rows
from cdul_edge.labels.manifest import check_labels_folder
from cdul_edge.labels.parquet_files import opened_parquet, read_facts, read_schema
from cdul_edge.storage.location import Location, parse_location
from cdul_edge.storage.open_storage import open_parent, open_storage
from cdul_edge.storage.storage import Storage
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.threshold_values import thresholds_from_json, thresholds_to_json
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.json_record import parse_record

FORMAT = 1
FILE_NAME = "pseudo_labels.parquet"
COMMON = "_common_metadata"
COLUMNS = ("path", "scores", "cosines")
BATCH = 4096  # rows of a batch
NAMED_TWICE = "the pseudo-labels name a picture twice: label the folder again"
ADVICE = "run `cdul-edge label` again with the same --out"


@dataclass(frozen=True)
class LabelPart:
    """What a part was when it was written."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class LabelStream:
    """Soft labels of N pictures, read again at each pass.

    Attributes:
        storage: the folder that the file, or the folder of parts, lies in.
        files: the names in it.
        root: the folder that paths are relative to.
        classes: names of the C columns.
        thresholds: (C,) float32; a score at or above it counts as positive.
        provenance: what made them.
        count: N.
        columns: of "path", "scores" and "cosines", which there are.
        rows: at most, of a batch.
    """

    storage: Storage
    files: tuple[str, ...]
    root: Location
    classes: ClassList
    thresholds: npt.NDArray[np.float32]
    provenance: dict[str, Any]
    count: int
    columns: tuple[str, ...]
    rows: int

    def __iter__(self) -> Iterator[LabelRows]:
        """Batches in order; raises `LabelsError` for what is damaged."""
        return self.read(self.columns)

    @property
    def strategy(self) -> str | None:
        """The strategy that made the scores; None where they do not say."""
        aggregation = self.provenance.get("aggregation")
        strategy = aggregation.get("strategy") if isinstance(aggregation, dict) else None
        return strategy if isinstance(strategy, str) else None

    def sha256(self) -> str:
        """Of the file; of parts, of the SHA-256 of each, so that it tells any change."""
        folder = self.files[0].rpartition("/")[0]
        if not folder:
            return self.storage.sha256(self.files[0])
        names = (f"{folder}/{COMMON}", *self.files)
        return hashlib.sha256("".join(map(self.storage.sha256, names)).encode()).hexdigest()

    def read(self, columns: Sequence[str]) -> Iterator[LabelRows]:
        """Batches of some columns; the others hold empty paths, scores of 0, and no cosines."""
        seen = 0
        with _told_to_label():
            for name in self.files:
                wanted = [column for column in columns if column in self.columns]
                for rows in read_rows(
                    self.storage.where / name, len(self.classes), wanted, self.rows
                ):
                    seen += len(rows.paths)
                    if seen <= self.count:
                        yield rows
            if seen != self.count:
                raise LabelsError(
                    f"the labels in {self.storage.where} have {seen} rows, expected {self.count}"
                )


def iterate_labels(where: Location, rows: int = BATCH) -> LabelStream:
    """Open pseudo-labels to be read in batches, in memory that does not grow with them.

    Args:
        where: a labels folder, or its `pseudo_labels.parquet`, or another such file.
        rows: at most, of a batch.

    Raises:
        LabelsError: there are none, they are damaged or of another format, or the labels folder is
            not finished or lacks a file.
    """
    storage, name = _find(where)
    sizes = storage.sizes(name)
    with _told_to_label():
        if any(file.startswith(f"{name}/part-") for file in sizes) or f"{name}/{COMMON}" in sizes:
            return _open_parts(storage, name, sizes, rows)
        if name in storage.sizes_of((name,)):
            return _open_file(storage, name, rows)
    raise LabelsError(f"{storage.where / name} does not exist: make it with `cdul-edge label`")


def describe_labels(
    root: Location,
    classes: ClassList,
    thresholds: npt.NDArray[np.float32],
    provenance: Mapping[str, object],
) -> dict[str, object]:
    """What stands beside the columns of one file, or in `_common_metadata`."""
    return {
        "format": FORMAT,
        "root": str(root),
        "classes": list(classes),
        "thresholds": thresholds_to_json(thresholds),
        "provenance": provenance,
    }


def part_file(name: str, index: int) -> str:
    """Where part `index` lies, of the labels or of the store called `name`."""
    return f"{name}/part-{index:05d}.parquet"


def _find(where: Location) -> tuple[Storage, str]:
    """The folder that labels lie in, and their name in it."""
    if isinstance(where, Path):
        parts = where.is_dir() and (where.suffix == ".parquet" or (where / COMMON).is_file())
        if parts or not where.is_dir():
            return open_parent(where.absolute() if not where.name else where)
    elif where.name.endswith(".parquet"):
        return open_parent(where)
    check_labels_folder(where)
    return open_storage(where), FILE_NAME


@dataclass(frozen=True)
class _Facts:
    """What stands beside the columns, or in `_common_metadata`."""

    root: str
    classes: tuple[str, ...]
    thresholds: tuple[float | None, ...]
    provenance: dict[str, Any]
    parts: tuple[LabelPart, ...] = ()


def _open_parts(storage: Storage, name: str, sizes: Mapping[str, int], rows: int) -> LabelStream:
    common = f"{name}/{COMMON}"
    if common not in sizes:
        raise LabelsError(f"{storage.where / name} is not finished")
    schema = read_schema(storage.where / common)
    facts = _read_facts(schema, storage.where / common)
    files = tuple(part_file(name, index) for index in range(len(facts.parts)))
    for file, part in zip(files, facts.parts, strict=True):
        if file not in sizes:
            raise LabelsError(f"{storage.where / file} is missing")
        if sizes[file] != part.bytes:
            raise LabelsError(
                f"{storage.where / file} has {sizes[file]} bytes, expected {part.bytes}"
            )
    count = sum(part.rows for part in facts.parts)
    return _stream(storage, files, facts, schema, count, rows)


def _open_file(storage: Storage, name: str, rows: int) -> LabelStream:
    file = storage.where / name
    with opened_parquet(file) as opened:
        schema, count = opened.schema_arrow, opened.metadata.num_rows
        schema.names  # noqa: B018 - raises where one is not UTF-8
    return _stream(storage, (name,), _read_facts(schema, file), schema, count, rows)


def _read_facts(schema: pa.Schema, file: Location) -> _Facts:
    about = read_facts(schema, file)
    if not about or not {"path", "scores"} <= set(schema.names):
        raise LabelsError(f"{file} is not a pseudo-label file of cdul-edge")
    if about.get("format") != FORMAT:
        raise LabelsError(
            f"{file} has format {about.get('format')}, this program reads {FORMAT}: use the "
            "program that made it, or"
        )
    if "part" in about:
        raise LabelsError(f"{file} is one part of pseudo-labels: name their folder, or")
    try:
        facts = parse_record(_Facts, about)
        if len(facts.thresholds) != len(facts.classes):
            raise LabelsError(
                f"{len(facts.classes)} classes do not fit {len(facts.thresholds)} thresholds"
            )
        ClassList(facts.classes)
    except CdulEdgeError as error:
        raise LabelsError(f"{file} is damaged ({error})") from error
    return facts


def _stream(
    storage: Storage,
    files: tuple[str, ...],
    facts: _Facts,
    schema: pa.Schema,
    count: int,
    rows: int,
) -> LabelStream:
    return LabelStream(
        storage=storage,
        files=files,
        root=parse_location(facts.root),
        classes=ClassList(facts.classes),
        thresholds=thresholds_from_json(facts.thresholds),
        provenance=facts.provenance,
        count=count,
        columns=tuple(name for name in COLUMNS if name in schema.names),
        rows=rows,
    )


@contextmanager
def _told_to_label() -> Iterator[None]:
    """Errors inside end with what to do."""
    try:
        yield
    except LabelsError as error:
        raise LabelsError(f"{error}: {ADVICE}") from error
