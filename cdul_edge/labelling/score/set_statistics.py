"""What the scores of a whole set are made of: a few numbers per picture and class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Doubles, Floats, Singles, softmax, split_rows
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labels.settings import Snippets

ReadParts = Callable[[], Iterator[Part]]

# Columns whose float64 copies are held at once.
_COLUMNS = 64


@dataclass(frozen=True)
class Shares:
    """How softmax values are taken of views, with what a set says of its classes.

    The classes are centered first, and the temperature is the spread of the whole pictures' cosines
    then, so that no class wins by being named well and no model by its scale.

    Attributes:
        whole: (C,) the classes' means over the whole pictures.
        local: (C,) those over the snippets; None where single snippets are not known: best values
            of different snippets do not compete.
        temperature: the spread, times a setting.
    """

    whole: Doubles
    local: Doubles | None
    temperature: float

    def of(self, whole: Singles, rows: Singles, dtype: npt.DTypeLike = np.float64) -> Singles:
        """Of the whole picture, plus those of the best snippet where single snippets are known.

        Args:
            whole: (M, C), as `center_views` makes them.
            rows: (M, V - 1, C), as well.
            dtype: to compute in.
        """
        found = np.empty_like(whole)
        for some in split_rows(len(rows), rows[0].size if len(rows) else 1):
            shares = softmax(whole[some] - self.whole, self.temperature, dtype)
            if self.local is not None:
                shares += softmax(rows[some] - self.local, self.temperature, dtype).max(axis=1)
            found[some] = shares
        return found


@dataclass(frozen=True)
class SetViews:
    """N pictures, C classes; every view's cosines less their mean over the classes.

    Attributes:
        inputs: (N, 3 C): the whole picture, each class's best and its worst snippet.
        shares: (N, C), softmax values as `how` takes them.
        how: with the set's statistics.
        plain: (N, C), the scores that each picture gets on its own.
    """

    inputs: Singles
    shares: Singles
    how: Shares
    plain: Singles

    @property
    def kinds(self) -> tuple[Singles, Singles, Singles]:
        """Whole picture, best and worst snippet: (N, C) each, of `inputs`."""
        whole, best, worst = np.split(self.inputs, 3, axis=1)
        return whole, best, worst


@dataclass(frozen=True)
class Standard:
    """Each class to mean 0 and variance 1 over a set; a constant one to 0.

    Attributes:
        mean: (C,).
        spread: (C,), infinite where the class is constant.
    """

    mean: Doubles
    spread: Doubles

    def of(self, values: Floats, out: Singles | None = None) -> Singles:
        """(M, C) standardized; in `out`, which may be the values."""
        found = np.empty(values.shape, np.float32) if out is None else out
        for rows in split_rows(*values.shape):
            found[rows] = (values[rows] - self.mean) / self.spread
        return found


def measure_standard(values: Floats) -> Standard:
    """Means and spreads of the classes over N pictures, (N, C)."""
    count = values.shape[1]
    # of even widths: the sums of a lone column would be taken in another order
    blocks = np.array_split(np.arange(count), -(-count // _COLUMNS))
    columns = [values[:, block[0] : block[-1] + 1] for block in blocks]
    mean = np.concatenate([column.mean(axis=0, dtype=np.float64) for column in columns])
    spread = np.concatenate([column.std(axis=0, dtype=np.float64) for column in columns])
    return Standard(mean, np.where(spread > 1e-9, spread, np.inf))


def gather_views(
    read: ReadParts,
    pictures: int,
    aggregation: Aggregation,
    snippets: Snippets,
    spreads: float,
) -> SetViews:
    """Read some parts twice: for the set's statistics, and for the shares that need them.

    Args:
        read: the parts, from the start at each call.
        pictures: how many readable ones they have, at least one.
        aggregation: of the plain scores.
        snippets: what the rows after the first are.
        spreads: temperature of the shares, in spreads of the whole pictures' centered cosines.
    """
    raw = is_raw(aggregation, snippets)
    classes = next(read()).values.shape[2]
    inputs = np.empty((pictures, 3 * classes), np.float32)
    plain, shares = (np.empty((pictures, classes), np.float32) for _ in range(2))
    total, start, snippet_count = np.zeros(()), 0, 0
    for part in read():
        whole, rows = center_views(part.values, snippets, raw=raw)
        place = slice(start, start + len(rows))
        inputs[place] = np.concatenate([whole, *take_extremes(rows, snippets)], axis=1)
        plain[place] = score_pictures(aggregation, part.values, snippets)
        total = total + rows.sum(axis=(0, 1), dtype=np.float64)
        start, snippet_count = place.stop, rows.shape[1]
    whole = inputs[:, :classes]
    mean = whole.mean(axis=0, dtype=np.float64)
    local = total / (pictures * snippet_count) if snippets == "all" else None
    how = Shares(mean, local, max(spreads * _spread(whole, mean), 1e-9))
    start = 0
    for part in read():
        whole, rows = center_views(part.values, snippets, raw=raw)
        shares[start : start + len(rows)] = how.of(whole, rows)
        start += len(rows)
    return SetViews(inputs, shares, how, plain)


def score_pictures(aggregation: Aggregation, values: Floats, snippets: Snippets) -> Singles:
    """Scores of each picture on its own, (M, V, C) to (M, C), with little memory."""
    found = np.empty((len(values), values.shape[2]), np.float32)
    for rows in split_rows(len(values), values[0].size if len(values) else 1):
        found[rows] = aggregation.scores(values[rows], snippets)
    return found


def is_raw(aggregation: Aggregation, snippets: Snippets) -> bool:
    """Whether snippets are extremes of cosines: stored softmax values are centered already."""
    return snippets == "extremes" and aggregation.cached is None


def center_views(values: Floats, snippets: Snippets, *, raw: bool) -> tuple[Singles, Singles]:
    """Whole pictures (M, C) and snippets (M, V - 1, C), less each view's mean over the classes."""
    whole, rows = center_whole(values), values[:, 1:]
    if snippets == "all":
        rows = rows - rows.mean(axis=2, keepdims=True)
    elif raw:
        # extremes of raw cosines: a snippet's own mean is not known, its picture's is
        rows = rows - values[:, :1].mean(axis=2, keepdims=True)
    return whole, rows.astype(np.float32, copy=False)


def center_whole(values: Floats) -> Singles:
    """Whole pictures (M, C), less their mean over the classes."""
    whole: Floats = values[:, 0] - values[:, 0].mean(axis=1, keepdims=True)
    return whole.astype(np.float32, copy=False)


def take_extremes(rows: Singles, snippets: Snippets) -> tuple[Singles, Singles]:
    """Each class's best and worst snippet, (M, C)."""
    if snippets == "extremes":
        return rows[:, 0], rows[:, 1]
    return rows.max(axis=1), rows.min(axis=1)


def _spread(whole: Singles, mean: Doubles) -> float:
    centered = whole - mean
    np.square(centered, out=centered)
    return float(np.sqrt(centered.mean()))
