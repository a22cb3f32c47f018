"""Pictures of one name in two shards, which no list could have told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa

from cdul_edge.labelling.arrays import Ints
from cdul_edge.labelling.store.index import PartsIndex
from cdul_edge.labelling.store.parts import FOLDER, part_name
from cdul_edge.labels.parquet_files import read_column, read_table
from cdul_edge.sources.shards import ShardPictures, say_doubled
from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import CdulEdgeError

MOST_HASHES = 1 << 25  # held at once, 8 bytes each; of more pictures, the parts are read again
_READ_AT_ONCE = 8


def refuse_doubled(index: PartsIndex, source: ShardPictures) -> None:
    """Raise `CdulEdgeError` naming a picture, and both shards, where a name is there twice.

    Only hashes are held; where two are the same, the names are compared.

    Args:
        index: of the labels folder, whose parts all stand.
        source: the shards, as the parts are made of them.
    """
    out, parts = index.where, range(source.parts)
    passes = -(-sum(index.facts[FOLDER, part].pictures for part in parts) // MOST_HASHES)
    for turn in range(passes):
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:  # a network answers many at a time
            hashes = np.concatenate(
                list(pool.map(partial(_hashes, out, turn=turn, passes=passes), parts))
            )
        hashes.sort()
        doubled = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        if doubled:
            _compare(out, source, doubled)


def _paths(out: Location, part: int) -> list[str]:
    table = read_table(out / part_name(part), ["path"])
    paths: list[str] = read_column(table, "path", pa.string()).to_pylist()
    return paths


def _hashes(out: Location, part: int, turn: int, passes: int) -> Ints:
    found = np.array([hash(path) for path in _paths(out, part)], np.int64)
    return found if passes == 1 else found[found % passes == turn]


def _compare(out: Location, source: ShardPictures, hashes: set[int]) -> None:
    seen: dict[str, int] = {}
    for part, path in _named(out, source, hashes):
        if path in seen:
            first, second = (_shards(source, one) for one in (seen[path], part))
            raise CdulEdgeError(
                f"{say_doubled(path, first, second)}, then run the same command with --update"
            )
        seen[path] = part


def _named(out: Location, source: ShardPictures, hashes: set[int]) -> Iterator[tuple[int, str]]:
    for part in range(source.parts):
        yield from ((part, path) for path in _paths(out, part) if hash(path) in hashes)


def _shards(source: ShardPictures, part: int) -> str:
    return ", ".join(shard.name for shard in source.shards_of(part))
