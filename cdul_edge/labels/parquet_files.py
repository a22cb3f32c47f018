"""Parquet files as whole tables; what is damaged in any way is one error."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_parent
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.host.memory_errors import is_made_up

_BUFFER = 1 << 20
KEY = b"cdul_edge"  # pandas, DuckDB and Spark carry unknown schema metadata along

# What pyarrow raises on damaged bytes; MemoryError for a length that never was.
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError, MemoryError)


# The system's own troubles, which say nothing of the file.
_SYSTEM = (errno.EACCES, errno.EPERM, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def read_table(file: Location, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file, or those of `columns` that it has, and check every value.

    Raises:
        LabelsError: it is missing or damaged; the message has no advice at its end yet.
        MemoryError: what it holds is more than fits.
        CdulEdgeError: the store that it lies in fails, which is no damage.
    """
    with opened_parquet(file) as opened:
        there = opened.schema_arrow.names
        wanted = None if columns is None else [name for name in columns if name in there]
        table = opened.read(columns=wanted)
        table.validate(full=True)  # text that is not UTF-8 would raise only when it is looked at
    return table


def read_schema(file: Location) -> pa.Schema:
    """Names, types and metadata alone, from the last bytes of the file; errors as `read_table`."""
    with opened_parquet(file) as opened:
        schema = opened.schema_arrow
        schema.names  # noqa: B018 - raises where one is not UTF-8
    return schema


@contextmanager
def opened_parquet(file: Location, *, in_batches: bool = False) -> Iterator[pq.ParquetFile]:
    """Open a file; what is damaged in it, or missing, is a `LabelsError` as of `read_table`.

    In batches, pages are read when they are needed; else a group's columns are read whole, at once.
    """
    buffer = _BUFFER if in_batches else 0
    storage, name = open_parent(file)
    try:
        with (
            storage.open(name) as raw,
            pq.ParquetFile(raw, buffer_size=buffer, pre_buffer=not in_batches) as opened,
        ):
            yield opened
    except _ABSENT as error:
        raise LabelsError(f"{file} is missing") from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno in _SYSTEM:
            raise
        if isinstance(error, MemoryError) and not _is_made_up(error, file):
            raise
        raise LabelsError(f"{file} is truncated or damaged ({str(error)[:200]})") from error


def _is_made_up(error: MemoryError, file: Location) -> bool:
    storage, name = open_parent(file)
    with storage.open(name) as raw:
        return is_made_up(error, raw.size())


def read_batches(file: Location, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Some columns, at most so many rows at once, every value checked; errors as `read_table`."""
    with opened_parquet(file, in_batches=True) as opened:
        batches = opened.iter_batches(rows, columns=list(columns), use_threads=False)
        for batch in batches:
            batch.validate(full=True)  # text that is not UTF-8 would raise only when looked at
            yield pa.Table.from_batches([batch])


def read_column(table: pa.Table, name: str, kind: pa.DataType, *, gaps: bool = False) -> pa.Array:
    """A column as that type, into which pandas or DuckDB may have to be cast back.

    Raises:
        LabelsError: it is missing or of another type, or a value is missing and `gaps` is not set.
    """
    if name not in table.column_names:
        raise LabelsError(f"it has no column {name}")
    column = table.column(name)
    try:
        found = column.cast(kind).combine_chunks()
    except (pa.ArrowException, ValueError) as error:
        raise LabelsError(f"its column {name} is {column.type}, expected {kind}") from error
    if found.null_count and not gaps:
        raise LabelsError(f"its column {name} has {found.null_count} gaps")
    return found


def to_metadata(about: Mapping[str, object]) -> dict[bytes, bytes]:
    """What stands beside the columns, as Parquet keeps it and `read_facts` reads it."""
    return {KEY: json.dumps(about, ensure_ascii=False).encode()}


def read_facts(schema: pa.Schema, file: Location) -> dict[str, Any]:
    """What this program wrote beside the columns, empty for files of others.

    Raises:
        LabelsError: it is damaged.
    """
    raw = (schema.metadata or {}).get(KEY, b"{}")
    try:
        facts = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise LabelsError(f"{file} is damaged (its metadata: {error})") from error
    if not isinstance(facts, dict):
        raise LabelsError(f"{file} is damaged (its metadata is no object)")
    return facts
