"""The entries (picture and class) with the highest values, of any number of pictures in passing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cdul_edge.reporting.best import Best, Values


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
    """Keeps a few entries of each class, by path; memory does not grow with the pictures."""

    def __init__(self, classes: int, most: int, details: int = 0) -> None:
        """`most` entries of each of so many classes, with so many details each."""
        self._best = Best(most, classes, details)
        self._paths: dict[int, str] = {}  # of the rows that are kept
        self._count = 0

    def add(self, paths: Sequence[str], values: Values, *details: Values) -> None:
        """Take in M pictures.

        Args:
            paths: M.
            values: (M, C); -inf is never kept.
            details: (M, C) each.
        """
        start, self._count = self._count, self._count + len(paths)
        self._best.add(values, start, *details)
        rows = self._best.rows
        for row in np.unique(rows[rows >= start]).tolist():
            self._paths[row] = paths[row - start]
        if len(self._paths) > 2 * rows.size:
            self._paths = {row: self._paths[row] for row in np.unique(rows[rows >= 0]).tolist()}

    def of_class(self, column: int) -> list[Entry]:
        """Those of one class, the highest first."""
        return [
            Entry(
                path=self._paths[row],
                column=column,
                value=value,
                details=tuple(self._best.details[:, rank, column].tolist()),
            )
            for rank, (row, value) in enumerate(self._best.of(column))
        ]

    def best(self, count: int) -> list[Entry]:
        """Of all classes, the highest first; among equals in the order of the classes."""
        classes = range(self._best.rows.shape[1])
        every = [entry for column in classes for entry in self.of_class(column)]
        return sorted(every, key=lambda entry: -entry.value)[:count]
