"""Many paths in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROW_GROUP = 1 << 16  # paths that are Python strings at once, and a row group of a list of them


class PathList(Protocol):
    """Paths in a fixed order."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __iter__(self) -> Iterator[str]:
        """All, one after the other."""
        ...

    def slice(self, start: int, stop: int) -> tuple[str, ...]:
        """Those of some places in a row."""
        ...


@dataclass(frozen=True)
class HeldPaths:
    """Paths in Arrow's memory: their UTF-8 bytes and four more each, where a string takes 49.

    Attributes:
        column: chunks of at most 65,536 strings.
    """

    column: pa.ChunkedArray

    @classmethod
    def gather(cls, paths: Iterable[str]) -> HeldPaths:
        """Hold paths that come one after the other."""
        following = iter(paths)
        chunks = []
        while chunk := list(islice(following, ROW_GROUP)):
            chunks.append(_pack(chunk))
        return cls(pa.chunked_array(chunks, pa.string()))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.column)

    def __iter__(self) -> Iterator[str]:
        """All, one after the other."""
        for chunk in self.column.iterchunks():
            yield from chunk.to_pylist()

    def hold(self, piece: str) -> bool:
        """Whether a text is part of any."""
        return any(
            pc.any(pc.match_substring(chunk, piece)).as_py() for chunk in self.column.iterchunks()
        )

    def slice(self, start: int, stop: int) -> tuple[str, ...]:
        """Those of some places in a row."""
        return tuple(self.column.slice(start, max(0, stop - start)).to_pylist())


def _pack(paths: Sequence[str]) -> pa.StringArray:
    """Exactly as large as its texts: Arrow's own builder keeps room to grow."""
    encoded = [path.encode() for path in paths]
    ends = np.zeros(len(paths) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, encoded), np.int32, len(paths)), out=ends[1:])
    buffers = [pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.StringArray.from_buffers(len(paths), *buffers)
