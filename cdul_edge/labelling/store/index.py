"""The index of the parts: with it, names and sizes are enough to know which parts are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from sys import intern
from time import monotonic

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    FOLDER,
    PartFacts,
    examine_part,
    part_name,
)
from cdul_edge.labels.manifest import PARTS, FileFacts
from cdul_edge.labels.parquet_files import read_column, read_table
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import LabelsError

Kind = str  # FOLDER or EMBEDDINGS_FOLDER

# A writer that dies leaves what it made since out of the index: those parts are opened once.
WRITE_EVERY_S = 60.0
_READ_AT_ONCE = 8

_COLUMNS = {
    "kind": pa.string(),
    "part": pa.int32(),
    "pictures": pa.int32(),
    "labelled": pa.int32(),
    "bytes": pa.int64(),
    "sha256": pa.string(),
    "settings": pa.string(),
    "paths": pa.string(),
}


@dataclass
class PartsIndex:
    """What the writers said of their parts.

    It never vouches for a part that is about to be written over: `drop` and `write` come before.

    Attributes:
        where: the labels folder.
        facts: by kind ("similarities", "embeddings") and number.
    """

    where: Location
    facts: dict[tuple[Kind, int], PartFacts] = field(default_factory=dict)
    _written: float = field(default_factory=monotonic)

    @classmethod
    def recover(cls, where: Location) -> PartsIndex:
        """As `read`, but empty where the index is damaged: its parts are opened then."""
        try:
            return cls.read(where)
        except LabelsError:
            return cls(where)

    @classmethod
    def read(cls, where: Location) -> PartsIndex:
        """The index of a labels folder, empty where there is none.

        Raises:
            LabelsError: it is damaged.
        """
        if PARTS not in open_storage(where).sizes_of([PARTS]):
            return cls(where)
        table = read_table(where / PARTS)
        try:
            columns = [read_column(table, *column).to_pylist() for column in _COLUMNS.items()]
        except LabelsError as error:
            raise LabelsError(f"{where / PARTS} is damaged ({error})") from error
        kinds, parts, *numbers, sha256, settings, paths = columns
        # a few words that 200,000 rows have in common
        kinds, settings = map(intern, kinds), map(intern, settings)
        facts = map(PartFacts, *numbers, sha256, settings, paths)
        return cls(where, dict(zip(zip(kinds, parts, strict=True), facts, strict=True)))

    def add(self, part: int, written: Mapping[Kind, PartFacts]) -> None:
        """Take up a part that was just written; now and then the index is written, too."""
        for kind, facts in written.items():
            self.facts[kind, part] = facts
        if monotonic() - self._written >= WRITE_EVERY_S:
            self.write()

    def learn(
        self, sizes: Mapping[tuple[Kind, int], int]
    ) -> Mapping[tuple[Kind, int], LabelsError]:
        """Open those of some parts that the index does not know, and take them up.

        Args:
            sizes: bytes of parts that are there, from a listing.

        Returns:
            What is wrong with parts that are truncated or foreign; it vouches no more for them.
        """
        known = self.facts
        new = [key for key, size in sizes.items() if key not in known or known[key].bytes != size]
        self.drop(new)
        faults = {}
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:  # a network answers many at a time
            examined = pool.map(self._examine, new, [sizes[key] for key in new])
            for key, found in zip(new, examined, strict=True):
                if isinstance(found, LabelsError):
                    faults[key] = found
                else:
                    self.facts[key] = found
        return faults

    def _examine(self, key: tuple[Kind, int], size: int) -> PartFacts | LabelsError:
        kind, part = key
        try:
            return examine_part(self.where / part_name(part, kind), size)
        except LabelsError as error:
            return error

    def drop(self, parts: Iterable[tuple[Kind, int]]) -> None:
        """Vouch no more for some parts."""
        for one in parts:
            self.facts.pop(one, None)

    def drop_parts(self, parts: Iterable[int]) -> None:
        """Vouch no more for some parts, of either kind."""
        self.drop((kind, part) for part in parts for kind in (FOLDER, EMBEDDINGS_FOLDER))

    def write(self) -> None:
        """Write it, in the order of the parts: the same parts give the same bytes."""
        keys = sorted(self.facts)
        facts = [self.facts[key] for key in keys]
        table = pa.table(
            {
                "kind": pa.array([kind for kind, _ in keys], pa.string()),
                "part": pa.array([part for _, part in keys], pa.int32()),
                "pictures": pa.array([one.pictures for one in facts], pa.int32()),
                "labelled": pa.array([one.labelled for one in facts], pa.int32()),
                "bytes": pa.array([one.bytes for one in facts], pa.int64()),
                "sha256": pa.array([one.sha256 for one in facts], pa.string()),
                "settings": pa.array([one.settings for one in facts], pa.string()),
                "paths": pa.array([one.paths for one in facts], pa.string()),
            }
        )
        with open_storage(self.where).write(PARTS) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        self._written = monotonic()

    def count_skipped(self, parts: Iterable[int]) -> int:
        """Unreadable pictures of finished parts."""
        found = (self.facts[FOLDER, part] for part in parts)
        return sum(one.pictures - one.labelled for one in found)

    @property
    def files(self) -> Mapping[str, FileFacts]:
        """What it vouches for, by name inside the labels folder."""
        return {
            part_name(part, kind): FileFacts(facts.sha256, facts.bytes)
            for (kind, part), facts in self.facts.items()
        }


def index_older(where: Location) -> None:
    """Give a finished store of an earlier version its index: every part is opened once."""
    if PARTS in open_storage(where).sizes_of([PARTS]):
        return
    index = PartsIndex(where)
    for fault in index.learn(part_sizes(where)).values():
        raise fault
    index.write()


def part_sizes(where: Location) -> Mapping[tuple[Kind, int], int]:
    """Bytes of the parts that are there, from a listing."""
    storage = open_storage(where)
    found = {}
    for kind in (FOLDER, EMBEDDINGS_FOLDER):
        for name, size in storage.sizes(kind).items():
            number = name.removeprefix(f"{kind}/part-").removesuffix(".parquet")
            if number.isdecimal() and name == part_name(int(number), kind):
                found[kind, int(number)] = size
    return found
