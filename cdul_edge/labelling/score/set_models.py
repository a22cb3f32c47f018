"""From the views of any pictures to their scores, with what a fit to a set left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cdul_edge.labelling.arrays import Doubles, Floats, Singles
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.debias import (
    Columns,
    Ridge,
    center_classes,
    stack_standardized,
    standardize_rows_and_columns,
)
from cdul_edge.labelling.score.set_statistics import (
    center_views,
    is_raw,
    score_pictures,
    take_extremes,
)
from cdul_edge.labels.settings import Snippets


class SetModel(Protocol):
    """What was learned of a set; `evidence_model.py` has one more."""

    def apply(self, values: Floats) -> tuple[Singles, Singles]:
        """Scores and whole cosines, (M, C) each, of the cosines (M, V, C) of some pictures."""


@dataclass(frozen=True)
class PictureModel:
    """Nothing was learned: each picture is scored on its own."""

    aggregation: Aggregation
    snippets: Snippets

    def apply(self, values: Floats) -> tuple[Singles, Singles]:
        """Merge each picture's views."""
        return score_pictures(self.aggregation, values, self.snippets), take_whole(values)


@dataclass(frozen=True)
class CenteredModel:
    """`--debias center`."""

    aggregation: Aggregation
    snippets: Snippets
    columns: Columns

    def apply(self, values: Floats) -> tuple[Singles, Singles]:
        """Take the classes' means off, and merge."""
        centered = center_classes(values, self.columns)
        return score_pictures(self.aggregation, centered, self.snippets), take_whole(values)


@dataclass(frozen=True)
class StandardizedModel:
    """`--debias sparc`."""

    aggregation: Aggregation
    snippets: Snippets
    columns: Columns
    unit: float

    def apply(self, values: Floats) -> tuple[Singles, Singles]:
        """Standardize rows and columns, and merge."""
        made = standardize_rows_and_columns(values, self.columns, self.unit)
        return score_pictures(self.aggregation, made, self.snippets), take_whole(values)


@dataclass(frozen=True)
class TopOneModel:
    """`--debias ccd`."""

    aggregation: Aggregation
    snippets: Snippets
    bias: Doubles

    def apply(self, values: Floats) -> tuple[Singles, Singles]:
        """Merge, and divide by the bias."""
        scores = score_pictures(self.aggregation, values, self.snippets)
        return np.asarray(np.clip(scores / self.bias, 0, 1), np.float32), take_whole(values)


@dataclass(frozen=True)
class RidgeModel:
    """`--debias ridge`."""

    aggregation: Aggregation
    snippets: Snippets
    ridge: Ridge

    def apply(self, values: Floats) -> tuple[Singles, Singles]:
        """Merge, and smooth."""
        raw = is_raw(self.aggregation, self.snippets)
        whole, rows = center_views(values, self.snippets, raw=raw)
        views = (whole, *take_extremes(rows, self.snippets))
        inputs = stack_standardized(self.ridge.standards, views)
        plain = score_pictures(self.aggregation, values, self.snippets)
        return self.ridge.smooth(plain, inputs), take_whole(values)


def take_whole(values: Floats) -> Singles:
    """(M, C) of the whole pictures, for themselves: the views may go."""
    return np.array(values[:, 0], np.float32)
