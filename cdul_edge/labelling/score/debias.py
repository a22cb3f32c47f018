"""Taking a set's own biases out of CLIP's cosines or scores, without a label: `--debias`.

A class that CLIP favors scores high in every picture; the set shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Floats, Singles, softmax
from cdul_edge.labelling.score.set_statistics import ReadParts, SetViews, standardize
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labels.settings import Snippets

# CCD leaves pictures out whose softmax is more even than this share of ln C. It has 2 nats, which
# is 2/3 of ln 20 and would be 46 % of ln 80.
EVEN = 2 / 3
RIDGE = 0.1


@dataclass(frozen=True)
class Columns:
    """Statistics of each class over a set, apart for each kind of view.

    Attributes:
        mean, spread: (K, C), K kinds: the whole picture, then the snippets together, or the best
            and the worst.
        temperature: spread of the whole pictures' cosines about their classes' means.
    """

    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    temperature: float


def measure_columns(read: ReadParts, snippets: Snippets, *, rows: bool = False) -> Columns:
    """One pass over a store; every view's mean over the classes is taken off first.

    Args:
        read: its parts.
        snippets: what the rows after the first are.
        rows: divide each view by its own spread over the classes too.
    """
    kinds = 2 if snippets == "all" else 3
    count, sums = 0, np.zeros(())
    for part in read():
        views = _level(part.values, rows=rows).astype(np.float64)
        sums = sums + np.stack([_by_kind(views, kinds), _by_kind(views**2, kinds)])
        count += len(views)
    mean, square = sums / count
    variance = np.maximum(square - mean**2, 0)
    # what does not vary cannot be told apart by any temperature
    return Columns(mean, np.sqrt(variance), max(float(np.sqrt(variance[0].mean())), 1e-9))


def _by_kind(views: Floats, kinds: int) -> Floats:
    """(N, V, C) to (K, C): sums over the pictures, means over the snippets."""
    if kinds == 3:
        return np.asarray(views.sum(axis=0))
    return np.stack([views[:, 0].sum(axis=0), views[:, 1:].mean(axis=1).sum(axis=0)])


def _level(views: Floats, *, rows: bool) -> Floats:
    levelled: Floats = views - views.mean(axis=-1, keepdims=True)
    if not rows:
        return levelled
    spread = levelled.std(axis=-1, keepdims=True)
    return np.asarray(levelled / np.where(spread > 1e-9, spread, np.inf))


def center_classes(read: ReadParts, columns: Columns) -> Iterator[Part]:
    """Take each class's mean off: no class is similar to everything."""
    for part in read():
        values = part.values - _stretch(columns.mean, part.values)
        yield replace(part, values=values.astype(np.float32))


def standardize_rows_and_columns(read: ReadParts, columns: Columns, unit: float) -> Iterator[Part]:
    """Row and column standardization (SPARC): z-scores over the classes, then over the pictures.

    Args:
        read: the parts.
        columns: measured with `rows`.
        unit: what a spread of 1 becomes, so that a temperature keeps its meaning.
    """
    for part in read():
        views = _level(part.values, rows=True)
        spread = _stretch(columns.spread, views)
        centered = views - _stretch(columns.mean, views)
        values = unit * centered / np.where(spread > 1e-9, spread, np.inf)
        yield replace(part, values=values.astype(np.float32))


def _stretch(columns: Floats, views: Floats) -> Floats:
    """(K, C) to (V, C): the snippets share their row."""
    return columns[np.minimum(np.arange(views.shape[1]), len(columns) - 1)]


def divide_by_top1_bias(scores: Floats, whole: Floats, temperature: float) -> Singles:
    """Divide each class by how sure CLIP is where the class comes first (CCD, top-1 bias).

    Args:
        scores: (N, C) in [0, 1].
        whole: (N, C) cosines of the whole pictures.
        temperature: of their softmax.

    Returns:
        (N, C), clipped to [0, 1]; a class that never comes first has the others' mean bias.
    """
    shares = softmax(whole, temperature)
    entropy = -(shares * np.log(np.maximum(shares, 1e-30))).sum(axis=1)
    clear = shares[entropy <= EVEN * np.log(shares.shape[1]) + 1e-9]
    first = np.eye(shares.shape[1], dtype=bool)[clear.argmax(axis=1)]
    wins = first.sum(axis=0)
    if not wins.any():
        return np.asarray(scores, np.float32)
    bias = np.where(wins > 0, (clear * first).sum(axis=0) / np.maximum(wins, 1), np.nan)
    bias = np.where(wins > 0, bias, np.nanmean(bias))
    return np.asarray(np.clip(scores / bias, 0, 1), np.float32)


def smooth_by_ridge(views: SetViews, ridge: float = RIDGE) -> Singles:
    """The mean of a set's plain scores and of their ridge regression on its cosines.

    What many pictures say about how the classes go together corrects what one says alone.

    Returns:
        (N, C), clipped to [0, 1].
    """
    parts = [standardize(v) for v in (views.whole, views.best, views.worst)]
    inputs = np.concatenate(parts, axis=1).astype(np.float64)
    level = views.plain.mean(axis=0, dtype=np.float64)
    gram = inputs.T @ inputs + ridge * len(inputs) * np.eye(inputs.shape[1])
    expected = level + inputs @ np.linalg.solve(gram, inputs.T @ (views.plain - level))
    return np.asarray(np.clip((views.plain + expected) / 2, 0, 1), np.float32)
