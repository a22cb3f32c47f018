"""What other classes say of a class where it certainly is not: the regressions of `evidence`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.score.evidence_model import EvidenceScoring

# Classes whose rivals are looked for at once.
_TOGETHER = 64
# Correlations that are nearer may come in another order by rounding: a hundred times float32's.
_ALIKE = 1e-6


def fit_rivals(inputs: Singles, raw: Singles, scoring: EvidenceScoring) -> tuple[Singles, Singles]:
    """What the other classes say of each class where it certainly is not.

    Args:
        inputs: (N, 3 C) cosines of the whole pictures, the best and the worst snippets,
            standardized.
        raw: (N, C) raw evidence.

    Returns:
        (3 C, 2 C) weights and (2 C,) levels of the ridge regressions of the raw evidence, and of
        the cosines' share of it; a class has no weight in its own.
    """
    count = raw.shape[1]
    weights = np.zeros((3 * count, 2 * count), np.float32)
    levels = np.zeros(2 * count, np.float32)
    flat = inputs.reshape(-1)
    for column, rivals in enumerate(_choose_rivals(inputs[:, :count], scoring.rivals)):
        regressors = np.concatenate([rivals, rivals + count, rivals + 2 * count])
        both = [column, count + column]
        rows = _choose_rows(raw[:, column], len(regressors), scoring)
        places = rows[:, None] * inputs.shape[1] + regressors
        x = flat.take(places, mode="clip").astype(np.float64)  # "raise" would copy first
        cosines = inputs[rows, column] + inputs[rows, count + column]
        y = np.stack([raw[rows, column], cosines], axis=1).astype(np.float64)
        middle, level = x.mean(axis=0), y.mean(axis=0)
        x -= middle
        gram = x.T @ x + scoring.ridge * len(x) * np.eye(len(regressors))
        found = np.linalg.solve(gram, x.T @ (y - level))
        weights[np.ix_(regressors, both)] = found
        levels[both] = level - middle @ found
    return weights, levels


def _choose_rows(raw: Singles, regressors: int, scoring: EvidenceScoring) -> npt.NDArray[np.intp]:
    """Some of the pictures that certainly do not show a class, from the lowest on."""
    count = max(1, int(len(raw) * scoring.absent))
    bound = np.partition(raw, count - 1)[count - 1]
    low = np.flatnonzero(raw <= bound)
    absent = low[np.argsort(raw[low], kind="stable")][:count]
    return absent[:: -(-count // max(1, scoring.samples * regressors))]  # a lone class has none


def _choose_rivals(whole: Singles, most: int) -> Iterator[npt.NDArray[np.intp]]:
    """The classes most correlated with each class in turn, ascending."""
    count = whole.shape[1]
    for start in range(0, count, _TOGETHER):
        columns = range(start, min(start + _TOGETHER, count))
        # one product for many classes, where a product for each would read the set for each
        likeness = None if count <= most + 1 else np.abs(whole.T @ whole[:, start : columns.stop])
        for column in columns:
            others = np.delete(np.arange(count), column)
            if likeness is None:
                yield others
                continue
            found = likeness[others, column - start]
            bound, next_one = -np.partition(-found, (most - 1, most))[[most - 1, most]]
            if bound - next_one <= _ALIKE * len(whole):
                # rounding might decide here: it shall do so as it does for one class alone
                found = np.abs(whole.T @ whole[:, column])[others]
            yield np.sort(others[np.argsort(-found, kind="stable")[:most]])
