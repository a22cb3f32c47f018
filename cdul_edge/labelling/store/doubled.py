"""Pictures of one name in two shards, which no list could have told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pyarrow as pa

from cdul_edge.labelling.store.parts import part_name
from cdul_edge.labels.distinct_paths import DistinctPaths
from cdul_edge.labels.parquet_files import read_column, read_table
from cdul_edge.sources.shards import ShardPictures, say_doubled
from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.prefetch import work_ahead

_READ_AT_ONCE = 8  # a network answers many at a time


def refuse_doubled(out: Location, source: ShardPictures) -> None:
    """Raise `CdulEdgeError` naming a picture, and both shards, where a name is there twice.

    Args:
        out: the labels folder, whose parts all stand.
        source: the shards, as the parts are made of them.
    """
    with closing(DistinctPaths()) as distinct:
        for paths in _read(out, source.parts):
            distinct.add(paths)
        twice = distinct.find_twice(lambda: _read(out, source.parts))
    if twice is None:
        return
    parts = [part for part, paths in enumerate(_read(out, source.parts)) if twice in paths]
    first, second = (
        ", ".join(shard.name for shard in source.shards_of(part)) for part in parts[:2]
    )
    raise CdulEdgeError(
        f"{say_doubled(twice, first, second)}, then run the same command with --update"
    )


def _read(out: Location, parts: int) -> Iterator[list[str]]:
    """Paths of each part, in order."""
    tasks = (partial(_read_paths, out / part_name(part)) for part in range(parts))
    return work_ahead(tasks, workers=_READ_AT_ONCE, ahead=2 * _READ_AT_ONCE)


def _read_paths(part: Location) -> list[str]:
    paths: list[str] = read_column(read_table(part, ["path"]), "path", pa.string()).to_pylist()
    return paths
