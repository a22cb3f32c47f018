"""The entries (picture and class) with the highest values, of any number of pictures in passing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Entry:
    """One picture and class.

    Attributes:
        path: of the picture.
        column: of the class.
        value: what it was chosen by.
        details: what else was told of it, in the order in which it was told.
    """

    path: str
    column: int
    value: float
    details: tuple[float, ...]


class TopEntries:
    """Keeps a few entries of each class; memory does not grow with the pictures."""

    def __init__(self, classes: int, most: int, details: int = 0) -> None:
        """`most` entries of each of so many classes, with so many details each."""
        self._most = most
        self._values = np.empty((0, classes), np.float64)
        self._paths = np.empty((0, classes), object)
        self._details = np.empty((details, 0, classes), np.float64)

    def add(self, paths: Sequence[str], values: Floats, *details: Floats) -> None:
        """Take in M pictures.

        Args:
            paths: M.
            values: (M, C); -inf is never kept.
            details: (M, C) each.
        """
        if self._most and len(self._values) == self._most:
            # Few pictures of many beat one that is kept.
            better = np.flatnonzero((values > self._values[-1]).any(axis=1))
            paths = [paths[row] for row in better.tolist()]
            values, details = values[better], tuple(one[better] for one in details)
        every = np.concatenate([self._values, values])
        count = min(self._most, len(every))
        if not count:
            return
        # Stable, so that of equal values the earlier pictures stay whatever the batches are.
        kept = np.argsort(-every, axis=0, kind="stable")[:count]
        columns = np.arange(every.shape[1])
        known = len(self._values)
        named = np.empty((known + len(paths), 1), object)
        named[known:, 0] = list(paths)
        old = kept < known
        before = self._paths[np.where(old, kept, 0), columns] if known else None
        now = named[kept, 0]
        self._paths = now if before is None else np.where(old, before, now)
        told = np.stack(details) if details else np.empty((0, *values.shape))
        self._details = np.concatenate([self._details, told], axis=1)[:, kept, columns]
        self._values = every[kept, columns]

    def of_class(self, column: int) -> list[Entry]:
        """Those of one class, the highest first."""
        ranks = range(len(self._values))
        return [self._entry(rank, column) for rank in ranks if self._is_one(rank, column)]

    def best(self, count: int) -> list[Entry]:
        """Of all classes, the highest first; among equals in the order of the classes."""
        classes = range(self._values.shape[1])
        every = [entry for column in classes for entry in self.of_class(column)]
        return sorted(every, key=lambda entry: -entry.value)[:count]

    def _is_one(self, rank: int, column: int) -> bool:
        return bool(self._values[rank, column] > -np.inf)

    def _entry(self, rank: int, column: int) -> Entry:
        return Entry(
            path=self._paths[rank, column],
            column=column,
            value=float(self._values[rank, column]),
            details=tuple(float(one) for one in self._details[:, rank, column]),
        )
