"""The few rows of each class with the highest values, of any number of rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]


class Best:
    """Rows by their value, for each of C classes; of equal values, the earlier row stays.

    Attributes:
        values: (K, C) float32, falling; -inf where there are fewer rows.
        rows: (K, C) int64 of which they are; -1 likewise.
    """

    def __init__(self, count: int, classes: int) -> None:
        self.values: Values = np.full((count, classes), -np.inf, np.float32)
        self.rows: npt.NDArray[np.int64] = np.full((count, classes), -1, np.int64)

    def add(self, values: Values, start: int) -> None:
        """Take in M rows, the first of which is row `start`; -inf values never stay.

        Args:
            values: (M, C).
        """
        better = values > self.values[-1]
        count = len(self.values)
        for c in np.flatnonzero(better.any(axis=0)):
            found = np.flatnonzero(better[:, c])
            both = np.concatenate([self.values[:, c], values[found, c]])
            rows = np.concatenate([self.rows[:, c], found + start])
            first = np.argsort(-both, kind="stable")[:count]
            self.values[:, c], self.rows[:, c] = both[first], rows[first]

    def of(self, index: int) -> list[tuple[int, float]]:
        """Row and value of one class, the highest first."""
        pairs = zip(self.rows[:, index].tolist(), self.values[:, index].tolist(), strict=True)
        return [(row, value) for row, value in pairs if row >= 0]
