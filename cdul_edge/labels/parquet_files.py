"""Parquet files as whole tables; what is damaged in any way is one error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge_runtime.errors import LabelsError

_KEY = b"cdul_edge"

# What pyarrow raises on damaged bytes; MemoryError for a length that never was.
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError, MemoryError)


def read_table(file: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file, or those of `columns` that it has, and check every value.

    Raises:
        LabelsError: it is missing or damaged; the message has no advice at its end yet.
    """
    if not file.is_file():
        raise LabelsError(f"{file} is missing")
    try:
        with pq.ParquetFile(file) as opened:
            there = opened.schema_arrow.names
            wanted = None if columns is None else [name for name in columns if name in there]
            table = opened.read(columns=wanted)
        table.validate(full=True)  # text that is not UTF-8 would raise only when it is looked at
    except _DAMAGE as error:
        raise LabelsError(f"{file} is truncated or damaged ({str(error)[:200]})") from error
    return table


def read_schema(file: Path) -> pa.Schema:
    """Names, types and metadata alone, from the last bytes of the file; errors as `read_table`."""
    try:
        schema = pq.read_schema(file)
        schema.names  # noqa: B018 - raises where one is not UTF-8
    except _DAMAGE as error:
        raise LabelsError(f"{file} is truncated or damaged ({str(error)[:200]})") from error
    return schema


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


def read_facts(schema: pa.Schema, file: Path) -> dict[str, Any]:
    """What this program wrote beside the columns, empty for files of others.

    Raises:
        LabelsError: it is damaged.
    """
    raw = (schema.metadata or {}).get(_KEY, b"{}")
    try:
        facts = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise LabelsError(f"{file} is damaged (its metadata: {error})") from error
    if not isinstance(facts, dict):
        raise LabelsError(f"{file} is damaged (its metadata is no object)")
    return facts
