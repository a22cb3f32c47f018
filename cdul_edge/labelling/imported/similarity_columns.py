"""Arrays of an NPZ file, or columns of a Parquet file, a block of rows at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cdul_edge.labels.parquet_files import (
    read_batches,
    read_column,
    read_facts,
    read_schema,
    read_table,
)
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_parent
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.npz import DAMAGE

PATHS = ("path", "paths", "names", "image_path")
CLASSES = ("classes", "class_names")
TEMPERATURE = "temperature"
# Each name begins with one of these, and is known by it: a picture's whole, and its snippets.
WHOLE, SNIPPETS, BEST, WORST = "global", "local", "local_max", "local_min"

Array = npt.NDArray[Any]
Block = Mapping[str, Array]


class SimilarityColumns(Protocol):
    """A file of similarities."""

    @property
    def small(self) -> Mapping[str, Array]:
        """Arrays that are read whole: of `PATHS`, `CLASSES`, and `TEMPERATURE`."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Of all arrays that have a meaning here, those included."""
        ...

    def blocks(self, names: Sequence[str], rows: int) -> Iterator[Block]:
        """Rows of some arrays, at most so many at once, every array's rows in step.

        Raises:
            CdulEdgeError: they are damaged; or, in Parquet, no lists of one length.
        """


def open_columns(file: Location) -> SimilarityColumns:
    """Open a file by what its name ends with; raises `CdulEdgeError` where it cannot be read."""
    storage, name = open_parent(file)
    if name not in storage.sizes_of((name,)):
        raise CdulEdgeError(f"{file} does not exist: check --from-similarities")
    if name.lower().endswith(".npz"):
        return _open_npz(file)
    if name.lower().endswith(".parquet"):
        return _open_parquet(file)
    raise CdulEdgeError(f"{file}: expected .npz or .parquet similarities")


def _is_small(name: str) -> bool:
    return name in (*PATHS, *CLASSES, TEMPERATURE)


def _is_read(name: str) -> bool:
    return _is_small(name) or name.startswith((WHOLE, SNIPPETS))


@dataclass(frozen=True)
class _Npz:
    file: Location
    small: Mapping[str, Array]
    names: Sequence[str]

    def blocks(self, names: Sequence[str], rows: int) -> Iterator[Block]:
        with _opened_npz(self.file) as archive, ExitStack() as stack:
            streams = [
                _rows(stack.enter_context(archive.open(f"{name}.npy")), rows) for name in names
            ]
            for found in zip(*streams, strict=True):
                yield dict(zip(names, found, strict=True))


def _open_npz(file: Location) -> _Npz:
    with _opened_npz(file) as archive:
        there = [name.removesuffix(".npy") for name in archive.namelist()]
        names = [name for name in there if _is_read(name)]
        small = {}
        for name in filter(_is_small, names):
            with archive.open(f"{name}.npy") as member:
                small[name] = np.lib.format.read_array(member, allow_pickle=False)
    return _Npz(file, small, names)


@contextmanager
def _opened_npz(file: Location) -> Iterator[zipfile.ZipFile]:
    storage, name = open_parent(file)
    try:
        with storage.open(name) as raw, zipfile.ZipFile(raw) as archive:
            yield archive
    except DAMAGE as error:
        raise CdulEdgeError(
            f"{file} is not a readable NPZ file ({error}): copy it again"
        ) from error


def _rows(member: IO[bytes], rows: int) -> Iterator[Array]:
    """The rows of one array; Fortran's order, which has none in one piece, is read whole."""
    version = np.lib.format.read_magic(member)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"an array has format {version}")
    shape, fortran, dtype = readers[version](member)
    if dtype.hasobject or not shape or min(shape) < 0:
        raise ValueError(f"an array holds {dtype} of the shape {shape}")
    row, count = shape[1:], shape[0]
    size = int(np.prod(row, dtype=object)) * dtype.itemsize
    if fortran and row:
        content = _exactly(member, size * count)
        whole = np.frombuffer(content, dtype).reshape(shape, order="F")
        yield from (whole[start : start + rows] for start in range(0, count, rows))
        return
    for start in range(0, count, rows):
        wanted = min(rows, count - start)
        yield np.frombuffer(_exactly(member, size * wanted), dtype).reshape(wanted, *row)
    _exactly(member, 0)


def _exactly(member: IO[bytes], size: int) -> bytes:
    """So many bytes; after the last, the archive compares its checksum."""
    content = member.read(size) if size else member.read(1)
    if len(content) != size:
        raise ValueError("an array is not as long as it says")
    return content


@dataclass(frozen=True)
class _Parquet:
    file: Location
    small: Mapping[str, Array]
    names: Sequence[str]

    def blocks(self, names: Sequence[str], rows: int) -> Iterator[Block]:
        classes = [self.small[name] for name in CLASSES if name in self.small]
        width = len(np.atleast_1d(classes[0])) if classes else 0
        lengths: dict[str, int] = {}
        for table in read_batches(self.file, names, rows):
            yield {name: self._block(table, name, width, lengths) for name in names}

    def _block(self, table: pa.Table, name: str, width: int, lengths: dict[str, int]) -> Array:
        column = read_column(table, name, pa.list_(pa.float32()))
        found, flat = column.value_lengths().unique(), column.flatten()
        length = lengths.setdefault(name, found[0].as_py() if len(found) else 0)
        if any(one.as_py() != length for one in found) or flat.null_count:
            raise CdulEdgeError(
                f"{self.file}, column {name} has rows of different lengths, or gaps"
            )
        values: Array = flat.to_numpy(zero_copy_only=False).reshape(len(column), length)
        if name.startswith((WHOLE, BEST, WORST)):
            return values
        width = width or length
        if not length or length % width:
            raise CdulEdgeError(
                f"{self.file}, {name} has rows of {length} values for {width} classes"
            )
        split: Array = values.reshape(len(values), -1, width)
        return split


def _open_parquet(file: Location) -> _Parquet:
    """Classes and temperature stand in the schema's metadata."""
    schema = read_schema(file)
    about = read_facts(schema, file)
    names = [n for n in schema.names if n not in (*CLASSES, TEMPERATURE) and _is_read(n)]
    try:
        small = {key: np.array(about[key]) for key in (*CLASSES, TEMPERATURE) if key in about}
    except ValueError as error:  # lists of different lengths in one
        raise CdulEdgeError(f"{file} is damaged (its metadata: {error})") from error
    for name in filter(_is_small, names):
        table = read_table(file, [name])
        small[name] = np.array(read_column(table, name, pa.string()).to_pylist(), dtype=str)
    return _Parquet(file, small, [*small, *(name for name in names if not _is_small(name))])
