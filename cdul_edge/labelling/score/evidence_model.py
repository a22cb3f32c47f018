"""What `--strategy evidence` learned of a set, and the scores of any picture by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdul_edge.labelling.arrays import Floats, Singles
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.rank_table import RankTable
from cdul_edge.labelling.score.set_statistics import (
    Shares,
    Standard,
    center_views,
    is_raw,
    score_pictures,
    take_extremes,
)
from cdul_edge.labels.settings import Snippets


@dataclass(frozen=True)
class EvidenceScoring:
    """How a set's views become scores. No constant was chosen with labels of photographs.

    Attributes:
        spreads: temperature of the softmax values, in spreads of the centered cosines.
        absent: share of the pictures, a class's lowest, that certainly do not show it.
        ridge: of the regression on the rivals, relative to a rival's variance.
        rivals: at most so many other classes, the most correlated ones, explain a class.
        samples: at most so many pictures a regressor are regressed on.
        seen: a class whose plain score reaches 0.5 in a smaller share of the pictures is not to be
            found in the set, and keeps its plain scores: evidence is relative, it finds a best
            picture for a class that is nowhere.
        pictures: fewer tell nothing about a set.
    """

    spreads: float = 1.0
    absent: float = 0.25
    ridge: float = 0.5
    rivals: int = 64
    samples: int = 20
    seen: float = 0.002
    pictures: int = 100


@dataclass(frozen=True)
class Standards:
    """Of the four numbers that a picture has for each class (SetViews)."""

    whole: Standard
    best: Standard
    worst: Standard
    shares: Standard


@dataclass(frozen=True)
class EvidenceModel:
    """What was learned of C classes.

    Attributes:
        aggregation: of the plain scores.
        snippets: what the rows after a picture's first are.
        how: how shares are taken.
        standards: means and spreads.
        weights: (3 C, C) of the rivals: whole picture, best and worst snippet of each class.
        levels: (C,).
        tables: from what the rivals leave to a score; None for a class that keeps its plain scores.
    """

    aggregation: Aggregation
    snippets: Snippets
    how: Shares
    standards: Standards
    weights: Singles
    levels: Singles
    tables: tuple[RankTable | None, ...]

    def apply(self, values: Floats) -> tuple[Singles, Singles]:
        """Score pictures that the model may never have seen; (M, V, C) to two times (M, C)."""
        raw = is_raw(self.aggregation, self.snippets)
        whole, rows = center_views(values, self.snippets, raw=raw)
        views, standards = (whole, *take_extremes(rows, self.snippets)), self.standards
        kinds = (standards.whole, standards.best, standards.worst)
        inputs = [kind.of(view) for kind, view in zip(kinds, views, strict=True)]
        ranks = standards.shares.of(self.how.of(whole, rows, np.float32)) + inputs[1]
        ranks -= self.levels
        ranks -= np.concatenate(inputs, axis=1) @ self.weights
        if None in self.tables:
            found = score_pictures(self.aggregation, values, self.snippets)
        else:
            found = np.empty_like(ranks)
        for column, table in enumerate(self.tables):
            if table is not None:
                found[:, column] = table.of(ranks[:, column])
        return found, whole
