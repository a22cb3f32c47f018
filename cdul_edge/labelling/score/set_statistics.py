"""What the scores of a whole set are made of: a few numbers per picture and class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cdul_edge.labelling.arrays import Floats, Singles, softmax
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labels.settings import Snippets

ReadParts = Callable[[], Iterator[Part]]


@dataclass(frozen=True)
class SetViews:
    """N pictures, C classes; every view's cosines less their mean over the classes.

    Attributes:
        whole: (N, C) of the whole picture.
        best, worst: (N, C), each class's best and worst snippet.
        shares: (N, C), softmax values of the whole picture, plus those of the best snippet where
            single snippets are known: best values of different snippets do not compete. The
            classes are centered first, and the temperature is the spread of the whole pictures'
            cosines then, so that no class wins by being named well and no model by its scale.
        temperature: that spread.
        plain: (N, C), the scores that each picture gets on its own.
    """

    whole: Singles
    best: Singles
    worst: Singles
    shares: Singles
    temperature: float
    plain: Singles


def gather_views(
    read: ReadParts, aggregation: Aggregation, snippets: Snippets, spreads: float
) -> SetViews:
    """Read a store twice: for the set's statistics, and for the shares that need them.

    Args:
        read: its parts, from the start at each call; at least one picture is readable.
        aggregation: of the plain scores.
        snippets: what the rows after the first are.
        spreads: temperature of the shares, in spreads of the whole pictures' centered cosines.
    """
    # softmax values that were stored are centered in every snippet already
    raw = snippets == "extremes" and aggregation.cached is None
    columns: list[tuple[Singles, ...]] = []
    total, count = 0.0, 0
    for part in read():
        whole, rows = _center(part.values, snippets, raw=raw)
        best, worst = _extremes(rows, snippets)
        plain = aggregation.scores(part.values, snippets)
        columns.append((whole, best, worst, plain))
        total, count = total + rows.sum(axis=(0, 1), dtype=np.float64), count + len(rows)
    whole, best, worst, plain = (np.concatenate(column) for column in zip(*columns, strict=True))
    mean = whole.mean(axis=0, dtype=np.float64)
    temperature = max(spreads * float(np.sqrt(((whole - mean) ** 2).mean())), 1e-9)
    shares = softmax(whole - mean, temperature)
    if snippets == "all":
        local = total / (count * rows.shape[1])
        shares = shares + np.concatenate(
            [_best_shares(part.values, local, temperature) for part in read()]
        )
    return SetViews(whole, best, worst, shares.astype(np.float32), temperature, plain)


def _center(values: Floats, snippets: Snippets, *, raw: bool) -> tuple[Singles, Singles]:
    whole = values[:, 0] - values[:, 0].mean(axis=1, keepdims=True)
    rows = values[:, 1:]
    if snippets == "all":
        rows = rows - rows.mean(axis=2, keepdims=True)
    elif raw:
        # extremes of raw cosines: a snippet's own mean is not known, its picture's is
        rows = rows - values[:, :1].mean(axis=2, keepdims=True)
    return whole.astype(np.float32), rows.astype(np.float32)


def _extremes(rows: Singles, snippets: Snippets) -> tuple[Singles, Singles]:
    if snippets == "extremes":
        return rows[:, 0], rows[:, 1]
    return rows.max(axis=1), rows.min(axis=1)


def _best_shares(values: Floats, mean: Floats, temperature: float) -> Floats:
    rows = values[:, 1:] - values[:, 1:].mean(axis=2, keepdims=True)
    best: Floats = softmax(rows - mean, temperature).max(axis=1)
    return best


def standardize(values: Floats) -> Singles:
    """Each class to mean 0 and variance 1 over the set; a constant one to 0."""
    spread = values.std(axis=0, dtype=np.float64)
    centered = values - values.mean(axis=0, dtype=np.float64)
    return np.asarray(centered / np.where(spread > 1e-9, spread, np.inf), np.float32)
