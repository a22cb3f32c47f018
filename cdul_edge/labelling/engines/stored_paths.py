"""The list of pictures in a labels folder, of which a slice is read when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import pyarrow.parquet as pq

from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_parent
from cdul_edge_runtime.errors import LabelsError


class StoredPaths(Sequence[str]):
    """The column `path` of pictures.parquet; whoever holds it holds one row group at most."""

    def __init__(self, where: Location, count: int) -> None:
        self._storage, self._name = open_parent(where)
        self._held: tuple[int, list[str]] = (-1, [])
        with self._storage.open(self._name) as file:
            metadata = pq.read_metadata(file)
        if metadata.num_rows != count:
            raise LabelsError(f"{where} lists {metadata.num_rows} pictures, expected {count}")
        self._starts = [0]
        for group in range(metadata.num_row_groups):
            self._starts.append(self._starts[-1] + metadata.row_group(group).num_rows)

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[str, ...]: ...

    def __getitem__(self, at: int | slice) -> str | tuple[str, ...]:
        if isinstance(at, int):
            at = range(len(self))[at]
            return self.slice(at, at + 1)[0]
        start, stop, step = at.indices(len(self))
        return self.slice(start, stop)[::step]

    def slice(self, start: int, stop: int) -> tuple[str, ...]:
        """Those of some places in a row."""
        paths: list[str] = []
        for group, first in enumerate(self._starts[:-1]):
            if first < stop and self._starts[group + 1] > start:
                rows = self._group(group)
                paths += rows[max(0, start - first) : stop - first]
        return tuple(paths)

    def _group(self, group: int) -> list[str]:
        if self._held[0] != group:
            with self._storage.open(self._name) as file:
                table = pq.ParquetFile(file).read_row_group(group, ["path"])
            self._held = group, table.column("path").to_pylist()
        return self._held[1]
