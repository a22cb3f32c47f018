"""Which shards a store was made of, part by part."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labels.parquet_files import read_column, read_table
from cdul_edge.sources.shards import Shard, ShardPictures
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import LabelsError

SHARDS = "shards.parquet"
_COLUMNS = {
    "part": pa.int32(),
    "shard": pa.string(),
    "bytes": pa.int64(),
    "mtime_ns": pa.int64(),
}


def write_shards(out: Location, source: ShardPictures) -> None:
    """Write the list, before the first part is made."""
    shards = source.shards
    table = pa.table(
        {
            "part": pa.array([i // source.part_shards for i in range(len(shards))], pa.int32()),
            "shard": pa.array([shard.name for shard in shards], pa.string()),
            "bytes": pa.array([shard.bytes for shard in shards], pa.int64()),
            "mtime_ns": pa.array([shard.mtime_ns for shard in shards], pa.int64()),
        }
    )
    with open_storage(out).write(SHARDS) as temporary:
        pq.write_table(table, temporary)


def read_shards(out: Location) -> list[tuple[Shard, ...]]:
    """The shards of each part; empty where the store was made of files.

    Raises:
        LabelsError: the list is damaged.
    """
    if SHARDS not in open_storage(out).sizes_of([SHARDS]):
        return []
    try:
        table = read_table(out / SHARDS)
        part, *facts = (read_column(table, *one).to_pylist() for one in _COLUMNS.items())
    except LabelsError as error:
        raise LabelsError(
            f"{out / SHARDS} is missing or damaged ({error}): start over with --force"
        ) from error
    parts: list[tuple[Shard, ...]] = [()] * (max(part, default=-1) + 1)
    for place, one in zip(part, map(Shard, *facts), strict=True):
        parts[place] += (one,)
    return parts


def stored_part_shards(out: Location) -> int:
    """How many shards make a part of a store; 1 where nothing tells."""
    return max(map(len, read_shards(out)), default=1)
