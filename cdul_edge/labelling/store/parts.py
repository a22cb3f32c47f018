"""The similarity store: Parquet parts of a fixed number of pictures, each written whole or not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labelling.arrays import Floats
from cdul_edge.labelling.store.pictures import Content, StoredPicture, digest_paths
from cdul_edge.labels.label_stream import part_file
from cdul_edge.labels.manifest import SkippedPicture
from cdul_edge.labels.parquet_files import (
    read_column,
    read_facts,
    read_schema,
    read_table,
    to_metadata,
)
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_parent
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import sha256_file
from cdul_edge_runtime.host.json_record import RecordError, parse_record

FOLDER = "similarities"
EMBEDDINGS_FOLDER = "embeddings"
REPAIR = "run the same `cdul-edge label` command with --repair to label its pictures again"
_PICTURE = {"path": pa.string(), "reason": pa.string(), "width": pa.int32(), "height": pa.int32()}
_CONTENT = {"bytes": pa.int64(), "mtime_ns": pa.int64(), "digest": pa.string()}


@dataclass(frozen=True)
class Part:
    """The similarities of some consecutive pictures.

    Attributes:
        pictures: P, readable or not.
        values: (M, V, W), rows of the M readable pictures in order; W = C cosines, or the D of
            unit embeddings. Written as float16 if they are, but read as float32.
    """

    pictures: tuple[StoredPicture, ...]
    values: Floats

    def __post_init__(self) -> None:
        if len(self.values) != len(self.labelled):
            raise ValueError(f"{len(self.values)} rows for {len(self.labelled)} readable pictures")

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of all pictures."""
        return tuple(picture.path for picture in self.pictures)

    @cached_property
    def labelled(self) -> tuple[str, ...]:
        """Paths of the readable pictures: the rows of `values`."""
        return tuple(picture.path for picture in self.pictures if picture.reason is None)

    @property
    def skipped(self) -> tuple[SkippedPicture, ...]:
        """Path and reason of the others."""
        return tuple(SkippedPicture(p.path, p.reason) for p in self.pictures if p.reason)


@dataclass(frozen=True)
class PartHead:
    """What a part says of itself, in its last bytes.

    Attributes:
        shape: of a picture's values.
        settings: digest of what made them: settings, model and texts.
        pictures: digest of the paths of its pictures, in order; None in parts of earlier versions,
            whose `settings` speak of all pictures of the set.
    """

    shape: tuple[int, ...]
    settings: str
    pictures: str | None = None


@dataclass(frozen=True, slots=True)  # there may be 200,000
class PartFacts:
    """What a part was when it was written.

    Attributes:
        pictures, labelled: how many it holds, and how many of them could be read.
        bytes, sha256: of the file.
        settings, paths: as `PartHead` has them; `paths` is its `pictures`.
    """

    pictures: int
    labelled: int
    bytes: int
    sha256: str
    settings: str
    paths: str


def part_name(index: int, folder: str = FOLDER) -> str:
    """Where part `index` lies inside a labels folder."""
    return part_file(folder, index)


def slice_parts(count: int, part_pictures: int) -> list[range]:
    """Which pictures belong to which part."""
    starts = range(0, count, part_pictures)
    return [range(start, min(start + part_pictures, count)) for start in starts]


def write_part(path: Location, part: Part, column: str, digest: str) -> PartFacts:
    """Write atomically; `digest` identifies the settings that made the values.

    The same part is the same bytes, wherever and by whomever it is written.
    """
    shape = list(part.values.shape[1:])
    paths = digest_paths(part.paths)
    about = {"shape": shape, "settings": digest, "pictures": paths}
    pictures = part.pictures
    columns = {
        "path": pa.array([p.path for p in pictures], pa.string()),
        "status": pa.array(["ok" if p.reason is None else "error" for p in pictures]),
        "reason": pa.array([p.reason for p in pictures], pa.string()),
        "width": pa.array([p.width_px for p in pictures], pa.int32()),
        "height": pa.array([p.height_px for p in pictures], pa.int32()),
        column: _lists(part.values.reshape(-1, int(np.prod(shape))), pictures),
    }
    if any(p.content for p in pictures):
        columns |= _content_columns(pictures)
    table = pa.table(columns).replace_schema_metadata(to_metadata(about))
    storage, name = open_parent(path)
    with storage.write(name) as temporary:
        # floats do not compress; a dictionary of them would only cost
        pq.write_table(
            table, temporary, compression={"path": "zstd", "reason": "zstd"}, use_dictionary=False
        )
        size, sha256 = temporary.stat().st_size, sha256_file(temporary)
    return PartFacts(len(pictures), len(part.labelled), size, sha256, digest, paths)


def read_part(path: Location, column: str, paths: Sequence[str] | None = None) -> Part:
    """Read what `write_part` wrote.

    Args:
        path: of the part.
        column: "cosines" or "embeddings".
        paths: what its pictures must be, in order.

    Raises:
        LabelsError: the part is missing, truncated, foreign, or about other pictures.
    """
    with _told_to_repair():
        table = read_table(path)
        about = _read_facts(table.schema, path)
        pictures = _pictures(table, path)
        if paths is not None and [p.path for p in pictures] != list(paths):
            raise LabelsError(f"{path} is about other pictures than the list")
        return Part(pictures, _values(table, column, pictures, about.shape, path))


def read_pictures(path: Location) -> tuple[StoredPicture, ...]:
    """Which pictures a part holds; raises `LabelsError` as `read_part` does."""
    with _told_to_repair():
        return _pictures(read_table(path, [*_PICTURE, *_CONTENT]), path)


def read_readable(path: Location) -> list[str]:
    """Paths of a part's readable pictures; raises `LabelsError` as `read_part` does."""
    with _told_to_repair():
        table = read_table(path, ["path", "reason"])
        try:
            paths = read_column(table, "path", pa.string())
            readable = read_column(table, "reason", pa.string(), gaps=True).is_null()
        except LabelsError as error:
            raise LabelsError(f"{path} is damaged ({error})") from error
        found: list[str] = paths.filter(readable).to_pylist()
        return found


def read_head(path: Location) -> PartHead:
    """What a part says of itself, from its last bytes.

    Raises:
        LabelsError: it is missing, truncated or foreign.
    """
    with _told_to_repair():
        return _read_facts(read_schema(path), path)


def examine_part(path: Location, size: int) -> PartFacts:
    """What a part of so many bytes is, for an index that does not know it: it is hashed.

    Raises:
        LabelsError: it is missing, truncated or foreign.
    """
    with _told_to_repair():
        table = read_table(path, [*_PICTURE, *_CONTENT])
        head, pictures = _read_facts(table.schema, path), _pictures(table, path)
    storage, name = open_parent(path)
    return PartFacts(
        pictures=len(pictures),
        labelled=sum(picture.reason is None for picture in pictures),
        bytes=size,
        sha256=storage.sha256(name),
        settings=head.settings,
        paths=digest_paths([picture.path for picture in pictures]),
    )


def _content_columns(pictures: Sequence[StoredPicture]) -> dict[str, pa.Array]:
    found = [picture.content or Content(-1, 0, None) for picture in pictures]
    return {
        "bytes": pa.array([one.bytes for one in found], pa.int64()),
        "mtime_ns": pa.array([one.mtime_ns for one in found], pa.int64()),
        "digest": pa.array([one.digest for one in found], pa.string()),
    }


def _pictures(table: pa.Table, file: Location) -> tuple[StoredPicture, ...]:
    def values(names: Mapping[str, pa.DataType]) -> Iterator[list[Any]]:
        for name, kind in names.items():
            gaps = name in ("reason", "digest")
            yield read_column(table, name, kind, gaps=gaps).to_pylist()

    try:
        path, reason, width, height = values(_PICTURE)
        contents: list[Content | None] = [None] * len(path)
        if set(_CONTENT) <= set(table.column_names):
            contents = [Content(*row) for row in zip(*values(_CONTENT), strict=True)]
    except LabelsError as error:
        raise LabelsError(f"{file} is damaged ({error})") from error
    rows = zip(path, width, height, contents, reason, strict=True)
    return tuple(StoredPicture(*row) for row in rows)


def _values(
    table: pa.Table,
    column: str,
    pictures: Sequence[StoredPicture],
    shape: tuple[int, ...],
    file: Location,
) -> Floats:
    """One row for each readable picture; each must have as many values as `shape` says."""
    readable = sum(picture.reason is None for picture in pictures)
    if len(shape) != 2 or min(shape) < 1 or column not in table.column_names:
        raise LabelsError(f"{file} has no column {column} of two dimensions")
    lists = table.column(column).combine_chunks()
    flat = lists.flatten() if pa.types.is_list(lists.type) else lists
    if not pa.types.is_floating(flat.type) or len(flat) != readable * math.prod(shape):
        raise LabelsError(f"{file} holds {len(flat)} {flat.type} for {readable} pictures")
    return np.array(flat.to_numpy(zero_copy_only=False), np.float32).reshape(-1, *shape)


@contextmanager
def _told_to_repair() -> Iterator[None]:
    """Errors inside end with what to do about a part."""
    try:
        yield
    except LabelsError as error:
        raise LabelsError(f"{error}: {REPAIR}") from error


def _lists(values: Floats, pictures: Sequence[StoredPicture]) -> pa.ListArray:
    readable = np.array([picture.reason is None for picture in pictures])
    ends = np.cumsum(np.where(readable, values.shape[1], 0))
    if ends[-1] > np.iinfo(np.int32).max:
        raise CdulEdgeError(
            f"a part of {len(pictures)} pictures holds more than 2^31 numbers: give fewer "
            "--part-pictures"
        )
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(values.reshape(-1)), mask=pa.array(~readable)
    )


def _read_facts(schema: pa.Schema, path: Location) -> PartHead:
    try:
        return parse_record(PartHead, read_facts(schema, path))
    except RecordError as error:
        raise LabelsError(f"{path} is not a part of cdul-edge's labels") from error
