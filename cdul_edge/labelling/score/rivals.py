"""What other classes say of a class where it certainly is not: the regressions of `evidence`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.score.evidence_model import EvidenceScoring


def fit_rivals(
    inputs: Singles, targets: Singles, scoring: EvidenceScoring
) -> tuple[Singles, Singles]:
    """What the other classes say of each class where it certainly is not.

    Args:
        inputs: (N, 3 C) cosines of the whole pictures, the best and the worst snippets.
        targets: (N, 2 C) raw evidence, and the cosines' share of it.

    Returns:
        (3 C, 2 C) weights and (2 C,) levels of the ridge regressions; a class has no weight in its
        own.
    """
    count = targets.shape[1] // 2
    weights = np.zeros((3 * count, 2 * count), np.float32)
    levels = np.zeros(2 * count, np.float32)
    for column in range(count):
        rivals = _choose_rivals(inputs[:, :count], column, scoring.rivals)
        regressors = np.concatenate([rivals, rivals + count, rivals + 2 * count])
        both = [column, count + column]
        rows = _choose_rows(targets[:, column], len(regressors), scoring)
        x = inputs[np.ix_(rows, regressors)].astype(np.float64)
        y = targets[np.ix_(rows, both)].astype(np.float64)
        middle, level = x.mean(axis=0), y.mean(axis=0)
        x -= middle
        gram = x.T @ x + scoring.ridge * len(x) * np.eye(len(regressors))
        found = np.linalg.solve(gram, x.T @ (y - level))
        weights[np.ix_(regressors, both)] = found
        levels[both] = level - middle @ found
    return weights, levels


def _choose_rows(raw: Singles, regressors: int, scoring: EvidenceScoring) -> npt.NDArray[np.intp]:
    absent = np.argsort(raw, kind="stable")[: max(1, int(len(raw) * scoring.absent))]
    return absent[:: -(-len(absent) // (scoring.samples * regressors))]


def _choose_rivals(whole: Singles, column: int, most: int) -> npt.NDArray[np.intp]:
    others = np.delete(np.arange(whole.shape[1]), column)
    if len(others) <= most:
        return others
    likeness = np.abs(whole.T @ whole[:, column])[others]
    return np.sort(others[np.argsort(-likeness, kind="stable")[:most]])
