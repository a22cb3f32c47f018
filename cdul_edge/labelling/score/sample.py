"""The pictures that stand for a set, whatever its order, its parts and its size.

A pass over the whole of a store of 10^8 pictures reads 320 GB. Of a set's statistics nothing needs
that: the mean of 10,000 pictures is off by a hundredth of a spread. So every strategy fits to the
SAMPLE readable pictures whose paths have the lowest hashes, and only their parts' values are read;
a set of so many pictures or fewer is its own sample. Twice as many agree hardly better with the
whole set (benchmarks/scale/agreement.py), and hold twice the memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from cdul_edge.labelling.arrays import Ints
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labelling.store.reader import StoreReader

SAMPLE = 10_000


@dataclass(frozen=True)
class Sample:
    """Some readable pictures of a store.

    Attributes:
        store: where they are.
        rows: part to the places of its sampled pictures among its readable ones, ascending; parts
            without any are left out.
        pictures: N, how many readable pictures the store has.
    """

    store: StoreReader
    rows: dict[int, Ints]
    pictures: int

    def __len__(self) -> int:
        return sum(map(len, self.rows.values()))

    @property
    def whole(self) -> bool:
        """Whether it has every readable picture."""
        return len(self) == self.pictures

    def starts(self) -> tuple[int, ...]:
        """Where the rows of each part of the store begin among the sample's, and their number."""
        counts = [len(self.rows.get(index, ())) for index in range(self.store.parts)]
        return (0, *accumulate(counts))

    def read(self) -> Iterator[Part]:
        """Their cosines, in the order of the store; a part in the sample whole comes as it is."""
        return self.store.each(self.rows, self._read)

    def _read(self, index: int) -> Part:
        part, rows = self.store.cosines(index), self.rows[index]
        return part if len(rows) == len(part.values) else _choose_rows(part, rows)


def choose_sample(store: StoreReader, most: int = SAMPLE, salt: str = "") -> Sample:
    """The readable pictures of the lowest hashes, from the parts' paths alone.

    Args:
        store: a finished store.
        most: how many; a smaller store gives all it has.
        salt: another one chooses other pictures; for trials.
    """
    found: list[tuple[bytes, str, int, int]] = []
    bound, pictures = b"\xff" * 9, 0
    for index, paths in enumerate(store.each(range(store.parts), store.readable)):
        pictures += len(paths)
        # paths of one hash are settled by themselves
        keys = ((hash_path(path, salt), path, index, row) for row, path in enumerate(paths))
        found += [key for key in keys if key[0] <= bound]
        if len(found) > 2 * most:
            found = sorted(found)[:most]
            bound = found[-1][0]
    chosen: dict[int, list[int]] = {}
    for _, _, index, row in sorted(sorted(found)[:most], key=lambda key: key[2:]):
        chosen.setdefault(index, []).append(row)
    rows = {index: np.array(places, np.int64) for index, places in chosen.items()}
    return Sample(store, rows, pictures)


def describe_sample(sample: Sample) -> dict[str, object]:
    """For the manifest: of how many pictures the statistics are, where that is not all."""
    return {} if sample.whole else {"fitted_to": len(sample), "of": sample.pictures}


def hash_path(path: str, salt: str = "") -> bytes:
    """64 bits of BLAKE2b: the same on every machine."""
    return hashlib.blake2b(path.encode(), digest_size=8, key=salt.encode()).digest()


def _choose_rows(part: Part, rows: Ints) -> Part:
    readable = [picture for picture in part.pictures if picture.reason is None]
    return Part(tuple(readable[row] for row in rows), part.values[rows])
