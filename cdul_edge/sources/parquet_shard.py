"""Pictures of a Parquet file: a column of bytes, or Hugging Face's struct of bytes and path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import MAX_PICTURE_BYTES

_ROWS = 16  # held at once
_BUFFER_BYTES = 4 << 20  # of a row group; without it all of its pictures would be read at once
_AGAIN = "make or copy it again, then run the same command with --update: finished parts are kept"
_PATHS = ("path", "image_path")
# Where several columns hold bytes, the first of these names is the picture.
_NAMES = ("image", "img", "picture", "jpg", "jpeg", "png", "webp", "bytes", "content")


def read_parquet(file: IO[bytes], where: str, name: str) -> Iterator[SourcePicture]:
    """The pictures of a file, row by row; every row is one.

    They are called by the column `path` (or `image_path`), or where there is none by the shard's
    name and the row: Hugging Face's own `path` is often empty, or the same in many rows.

    Args:
        file: the Parquet file.
        where: what errors call it.
        name: of the shard, relative to the folder of the shards.

    Raises:
        CdulEdgeError: it is no Parquet file, cut, damaged, or without a column of pictures.
    """
    with _faults(where):
        opened = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    schema = opened.schema_arrow
    column = _picture_column(schema, where)
    named = _path_column(schema, where)
    stem = name.rpartition(".")[0]
    wanted = [f"{column}.bytes" if pa.types.is_struct(schema.field(column).type) else column]
    row = 0
    for batch in _batches(opened, [*wanted, *([named] if named else [])], where):
        contents = batch.column(column)
        if pa.types.is_struct(contents.type):
            contents = contents.field("bytes")
        paths = _texts(batch.column(named), where) if named else [None] * len(batch)
        for path, content in zip(paths, contents, strict=True):
            if named and not path:
                raise CdulEdgeError(f"the shard {where} has no {named} in row {row}: give it one")
            yield _picture(path or f"{stem}/{row:08d}", content)
            row += 1


def _batches(
    opened: pq.ParquetFile, columns: Sequence[str], where: str
) -> Iterator[pa.RecordBatch]:
    with _faults(where):
        yield from opened.iter_batches(_ROWS, columns=list(columns), use_threads=False)


def _picture(path: str, content: pa.Scalar) -> SourcePicture:
    buffer = content.as_buffer() if content.is_valid else None
    if buffer is None:
        return SourcePicture(path, b"", 0, "has no bytes in its row")
    if buffer.size > MAX_PICTURE_BYTES:
        return SourcePicture(path, b"", 0, f"has {buffer.size / 2**20:,.0f} MiB, which is too much")
    return SourcePicture(path, buffer.to_pybytes())


def _texts(column: pa.Array, where: str) -> list[str | None]:
    with _faults(where):  # text that is not UTF-8
        return list(column.to_pylist())


def _path_column(schema: pa.Schema, where: str) -> str | None:
    named = next((name for name in _PATHS if name in schema.names), None)
    if named is None:
        return None
    _require_one(schema, named, where)
    kind = schema.field(named).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise CdulEdgeError(
            f"the shard {where} has a column {named} of {kind}: expected text, the picture's name"
        )
    return named


def _require_one(schema: pa.Schema, name: str, where: str) -> None:
    if schema.names.count(name) > 1:
        raise CdulEdgeError(
            f"the shard {where} has {schema.names.count(name)} columns called {name}: expected one"
        )


def _picture_column(schema: pa.Schema, where: str) -> str:
    found = [field.name for field in schema if _holds_bytes(field.type)]
    if len(found) > 1:
        found = [name for name in _NAMES if name in found][:1] or found
    if found and len(set(found)) == 1:
        _require_one(schema, found[0], where)
        return str(found[0])
    if found:
        raise CdulEdgeError(
            f"the shard {where} holds bytes in the columns {', '.join(found)}: call the one with "
            "the pictures image"
        )
    has = ", ".join(f"{field.name} ({field.type})" for field in schema)[:200]
    raise CdulEdgeError(
        f"the shard {where} has no column of image bytes: it has {has}; expected bytes, or a "
        "struct with a field bytes"
    )


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        places = [kind.field(place) for place in range(kind.num_fields)]
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in places)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


@contextmanager
def _faults(where: str) -> Iterator[None]:
    """Name the shard in what damaged bytes lead the reader to; a store names itself."""
    try:
        yield
    except CdulEdgeError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:150]
        raise CdulEdgeError(f"the shard {where} is no whole Parquet file ({said}): {_AGAIN}") from (
            error
        )
