"""Whether any path comes twice among more than memory holds: 8 bytes of disk each, 150 MB at once.

The hashes of all paths lie in a temporary file. Each pass over it sorts those of one range; where
two are equal, the paths themselves are compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_IN_MEMORY = 4 << 20  # bytes of hashes that need no file
_SORTED = 1 << 22  # hashes of a pass, on average
_BLOCK = 1 << 20

Hashes = npt.NDArray[np.int64]


class DistinctPaths:
    """Takes paths, and finds one that came twice."""

    def __init__(self, per_pass: int = _SORTED) -> None:
        self._per_pass = per_pass
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self._count = 0

    def add(self, paths: Sequence[str]) -> None:
        """Take some more."""
        self._file.write(np.fromiter(map(hash, paths), np.int64, len(paths)).tobytes())
        self._count += len(paths)

    def find_twice(self, again: Callable[[], Iterable[Sequence[str]]]) -> str | None:
        """A path that came twice, or None.

        Args:
            again: gives the same paths from the start; asked only where two hashes are equal.
        """
        suspects = set(self._equal_hashes())
        if not suspects:
            return None
        seen: set[str] = set()
        for paths in again():
            for path in paths:
                if hash(path) in suspects:
                    if path in seen:
                        return path
                    seen.add(path)
        return None

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def _equal_hashes(self) -> Iterator[int]:
        passes = max(-(-self._count // self._per_pass), 1)
        edges = [(number << 64) // passes - (1 << 63) for number in range(passes + 1)]
        for low, high in pairwise(edges):
            last = high - 1  # 2 ** 63 itself is no int64
            pieces = [block[(block >= low) & (block <= last)] for block in self._blocks()]
            ranked = np.concatenate([np.zeros(0, np.int64), *pieces])
            ranked.sort()
            yield from ranked[1:][ranked[1:] == ranked[:-1]].tolist()

    def _blocks(self) -> Iterator[Hashes]:
        self._file.seek(0)
        while content := self._file.read(8 * _BLOCK):
            yield np.frombuffer(content, np.int64)
