"""A finished similarity store, read part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    Part,
    part_name,
    read_part,
    read_readable,
)
from cdul_edge.storage.location import Location
from cdul_edge_runtime.host.prefetch import work_ahead

_AT_ONCE = 4

Result = TypeVar("Result")


@dataclass(frozen=True)
class StoreReader:
    """Where the parts lie, and how many there are.

    Attributes:
        folder: the labels folder.
        parts: how many; their indices are range(parts).
    """

    folder: Location
    parts: int

    def each(self, parts: Iterable[int], read: Callable[[int], Result]) -> Iterator[Result]:
        """What `read` makes of parts, in their order; of an object store, some at a time."""
        if isinstance(self.folder, Path):
            return map(read, parts)
        tasks = (partial(read, part) for part in parts)
        return work_ahead(tasks, workers=_AT_ONCE, ahead=_AT_ONCE)

    def readable(self, index: int) -> list[str]:
        """Paths of one part's readable pictures; its values are not read."""
        return read_readable(self.folder / part_name(index))

    def cosines(self, index: int) -> Part:
        """Cosines of one part, (M, V, C); raises `LabelsError` as `read_part` does."""
        return read_part(self.folder / part_name(index), "cosines")

    def embeddings(self, index: int, paths: Sequence[str]) -> Part:
        """Kept embeddings of one part, (M, V, D), which must be about these pictures."""
        return read_part(self.folder / part_name(index, EMBEDDINGS_FOLDER), "embeddings", paths)
