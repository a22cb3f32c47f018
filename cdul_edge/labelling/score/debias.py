"""Taking a set's own biases out of CLIP's cosines or scores, without a label: `--debias`.

A class that CLIP favors scores high in every picture; the set shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Doubles, Floats, Singles, softmax
from cdul_edge.labelling.score.set_statistics import (
    ReadParts,
    SetViews,
    Standard,
    measure_standard,
)
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


def center_classes(values: Floats, columns: Columns) -> Singles:
    """Take each class's mean off (M, V, C): no class is similar to everything."""
    return np.asarray(values - _stretch(columns.mean, values), np.float32)


def standardize_rows_and_columns(values: Floats, columns: Columns, unit: float) -> Singles:
    """Row and column standardization (SPARC): z-scores over the classes, then over the pictures.

    Args:
        values: (M, V, C).
        columns: measured with `rows`.
        unit: what a spread of 1 becomes, so that a temperature keeps its meaning.
    """
    views = _level(values, rows=True)
    spread = _stretch(columns.spread, views)
    centered = views - _stretch(columns.mean, views)
    return np.asarray(unit * centered / np.where(spread > 1e-9, spread, np.inf), np.float32)


def _stretch(columns: Floats, views: Floats) -> Floats:
    """(K, C) to (V, C): the snippets share their row."""
    return columns[np.minimum(np.arange(views.shape[1]), len(columns) - 1)]


def measure_top1_bias(whole: Floats, temperature: float) -> Doubles:
    """How sure CLIP is of each class where the class comes first (CCD, top-1 bias).

    Args:
        whole: (N, C) cosines of the whole pictures.
        temperature: of their softmax.

    Returns:
        (C,) by which scores are to be divided; a class that never comes first has the others' mean
        bias, and all have 1 where no picture is clear.
    """
    shares = softmax(whole, temperature)
    entropy = -(shares * np.log(np.maximum(shares, 1e-30))).sum(axis=1)
    clear = shares[entropy <= EVEN * np.log(shares.shape[1]) + 1e-9]
    first = np.eye(shares.shape[1], dtype=bool)[clear.argmax(axis=1)]
    wins = first.sum(axis=0)
    if not wins.any():
        return np.ones(shares.shape[1])
    bias = np.where(wins > 0, (clear * first).sum(axis=0) / np.maximum(wins, 1), np.nan)
    return np.where(wins > 0, bias, np.nanmean(bias))


@dataclass(frozen=True)
class Ridge:
    """A regression of a set's plain scores on its cosines.

    What many pictures say about how the classes go together corrects what one says alone.

    Attributes:
        standards: of the 3 C regressors: whole picture, best and worst snippet of each class.
        level: (C,) of the scores.
        weights: (3 C, C).
    """

    standards: tuple[Standard, ...]
    level: Doubles
    weights: Doubles

    def smooth(self, plain: Singles, inputs: Doubles) -> Singles:
        """The mean of plain scores (M, C) and of what the regression expects, in [0, 1].

        Args:
            plain: the pictures' scores on their own.
            inputs: (M, 3 C), as `stack_standardized` makes them.
        """
        expected = self.level + inputs @ self.weights
        return np.asarray(np.clip((plain + expected) / 2, 0, 1), np.float32)


def stack_standardized(standards: tuple[Standard, ...], views: tuple[Floats, ...]) -> Doubles:
    """The regressors (M, 3 C) of some pictures, of (M, C) each."""
    parts = [standard.of(view) for standard, view in zip(standards, views, strict=True)]
    return np.concatenate(parts, axis=1).astype(np.float64)


def fit_ridge(views: SetViews, ridge: float = RIDGE) -> tuple[Ridge, Singles]:
    """The regression, and the scores (N, C) of the pictures that it was fitted to."""
    level = views.plain.mean(axis=0, dtype=np.float64)
    standards = tuple(measure_standard(kind) for kind in views.kinds)
    inputs = stack_standardized(standards, views.kinds)
    gram = inputs.T @ inputs + ridge * len(inputs) * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, inputs.T @ (views.plain - level))
    fitted = Ridge(standards, level, weights)
    return fitted, fitted.smooth(views.plain, inputs)
