"""The few rows of each class with the highest values, of any number of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating[Any]]


class Best:
    """Rows by their value, for each of C classes; of equal values, the earlier row stays.

    Attributes:
        values: (K, C) float64, falling; -inf where there are fewer rows.
        rows: (K, C) int64 of which they are; -1 likewise.
        details: (D, K, C) float64, what else was told of each; 0 likewise.
    """

    def __init__(self, count: int, classes: int, details: int = 0) -> None:
        self.values = np.full((count, classes), -np.inf)
        self.rows: npt.NDArray[np.int64] = np.full((count, classes), -1, np.int64)
        self.details = np.zeros((details, count, classes))

    def add(self, values: Values, start: int, *details: Values) -> None:
        """Take in M rows, the first of which is row `start`; -inf values never stay.

        Args:
            values: (M, C).
            start: number of the first row.
            details: D of (M, C).
        """
        count = len(self.values)
        if not count:
            return
        better = values > self.values[-1]
        for c in np.flatnonzero(better.any(axis=0)):
            found = np.flatnonzero(better[:, c])
            both = np.concatenate([self.values[:, c], values[found, c]])
            rows = np.concatenate([self.rows[:, c], found + start])
            first = np.argsort(-both, kind="stable")[:count]
            self.values[:, c], self.rows[:, c] = both[first], rows[first]
            for kept, told in zip(self.details, details, strict=True):
                kept[:, c] = np.concatenate([kept[:, c], told[found, c]])[first]

    def of(self, index: int) -> list[tuple[int, float]]:
        """Row and value of one class, the highest first."""
        pairs = zip(self.rows[:, index].tolist(), self.values[:, index].tolist(), strict=True)
        return [(row, value) for row, value in pairs if row >= 0]
