"""Parquet with the features of Hugging Face's `datasets` beside its columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdul_edge.converting.formats.format import (
    Format,
    Imported,
    Notes,
    NotThisFormatError,
    Target,
    folder_of,
    no_copy,
)
from cdul_edge.converting.formats.json_lists import to_json
from cdul_edge.converting.formats.name_lists import table_of
from cdul_edge.converting.labeled_set import LabeledBatch, LabeledSet
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.json_record import RecordError, parse_record

_FILE = "train.parquet"
_EXTRA = ("train", "Parquet")


@dataclass(frozen=True)
class _Names:
    """Where the names of a list of classes stand among the features of `datasets`."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class _Labels:
    feature: _Names


@dataclass(frozen=True)
class _Features:
    labels: _Labels


@dataclass(frozen=True)
class _Info:
    features: _Features


@dataclass(frozen=True)
class _Metadata:
    """What `datasets` writes beside the columns."""

    info: _Info


def _write(found: LabeledSet, target: Target) -> Notes:
    with extra_imports(*_EXTRA):
        import pyarrow as pa
        import pyarrow.parquet as pq
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = [("image", image), ("labels", pa.list_(pa.int64())), ("path", pa.string())]
    if found.thresholds is not None:
        columns.append(("scores", pa.list_(pa.float32())))
    if found.what == "labels":
        columns.append(("unknown", pa.list_(pa.int64())))
    schema = pa.schema(columns).with_metadata(
        {b"huggingface": to_json({"info": {"features": _features(found)}}).encode()}
    )
    with pq.ParquetWriter(target.place / _FILE, schema, compression="zstd") as writer:
        for batch in found:
            writer.write_table(pa.table(_columns(found, batch, target), schema=schema))
    return Notes()


def _columns(found: LabeledSet, batch: LabeledBatch, target: Target) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {
        "image": [_image(found, path, target) for path in batch.paths],
        "labels": [np.flatnonzero(row) for row in batch.labels == 1],
        "path": list(batch.paths),
    }
    if batch.scores is not None:
        columns["scores"] = list(batch.scores)
    if found.what == "labels":
        columns["unknown"] = [np.flatnonzero(row) for row in batch.labels == -1]
    return columns


def _image(found: LabeledSet, path: str, target: Target) -> dict[str, object]:
    place = found.place(path)
    if not target.copy:
        return {"bytes": None, "path": place}
    try:
        return {"bytes": Path(place).read_bytes(), "path": path}
    except OSError as error:
        raise no_copy(place, error) from error


def _features(found: LabeledSet) -> dict[str, object]:
    """As `datasets` writes them since 1.0; versions from 4 on call a Sequence a List."""
    classes = {"feature": {"names": list(found.classes), "_type": "ClassLabel"}}
    features: dict[str, object] = {
        "image": {"_type": "Image"},
        "labels": {**classes, "_type": "Sequence"},
        "path": {"dtype": "string", "_type": "Value"},
    }
    if found.thresholds is not None:
        number = {"dtype": "float32", "_type": "Value"}
        features["scores"] = {"feature": number, "_type": "Sequence"}
    if found.what == "labels":
        features["unknown"] = {**classes, "_type": "Sequence"}
    return features


def _read(path: Path) -> Imported:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or files[0].suffix.lower() != ".parquet":
        raise NotThisFormatError("expected a .parquet file, or a folder of them")
    paths: list[str] = []
    present: list[list[str]] = []
    unknown: list[list[str]] = []
    names: tuple[str, ...] = ()
    for file in files:
        names = _class_names(file)
        for row in _rows(file):
            paths.append(_path(file, row))
            present.append(_named(file, row.get("labels"), names))
            unknown.append(_named(file, row.get("unknown") or [], names))
    return Imported(table_of(paths, present, names, unknown), closed=True)


def _class_names(file: Path) -> tuple[str, ...]:
    """Of the labels, where they are numbers; empty where they are names."""
    with extra_imports(*_EXTRA):
        import pyarrow as pa

        from cdul_edge.labels.parquet_files import read_schema
    schema = read_schema(file)
    if "labels" not in schema.names:
        raise NotThisFormatError(f"{file.name} has no column labels")
    kind = schema.field("labels").type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise NotThisFormatError(f"its column labels is {kind}, expected lists of classes")
    if pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type):
        return ()
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"null"))
        return parse_record(_Metadata, metadata).info.features.labels.feature.names
    except (ValueError, RecursionError, RecordError) as error:
        raise NotThisFormatError(
            f"{file.name} has no features of datasets that name its classes ({error})"
        ) from error


def _rows(file: Path) -> Iterator[Mapping[str, object]]:
    with extra_imports(*_EXTRA):
        from cdul_edge.labels.parquet_files import read_batches, read_schema
    there = read_schema(file).names
    wanted = [name for name in ("labels", "path", "unknown") if name in there]
    if "path" not in wanted and "image" in there:
        wanted.append("image.path")  # without the picture itself
    for table in read_batches(file, wanted, 4096):
        yield from table.to_pylist()


def _path(file: Path, row: Mapping[str, object]) -> str:
    image = row.get("image")
    path = row.get("path") or (image.get("path") if isinstance(image, dict) else None)
    if not isinstance(path, str):
        raise CdulEdgeError(
            f"{file} has a row that names no picture: it has neither path nor image"
        )
    return path


def _named(file: Path, values: object, names: tuple[str, ...]) -> list[str]:
    found = []
    for value in values if isinstance(values, list) else [None]:
        if isinstance(value, int) and not 0 <= value < len(names):
            raise CdulEdgeError(f"{file} has the label {value}, and names {len(names)} classes")
        if not isinstance(value, (int, str)):
            raise CdulEdgeError(f"{file} has a row without labels: give every row a list")
        found.append(names[value] if isinstance(value, int) else value)
    return found


PARQUET = Format(
    name="parquet",
    title="datasets (Parquet)",
    write=_write,
    read=_read,
    kind=folder_of("parquet", "datasets", _FILE),
    says_unknown=True,
    keeps_scores=True,
    copies=True,
    by_place=True,
)
