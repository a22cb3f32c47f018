"""Scores from the statistics of a whole set, without a label: `--strategy evidence`.

A class's cosine is high where the class is, and where something is that looks or reads like it.
The second is learned from the pictures in which the class certainly is not, and taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Doubles, Floats, Singles
from cdul_edge.labelling.score.mixture import Split, fit_split, typical_split
from cdul_edge.labelling.score.set_statistics import SetViews, standardize


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
class EvidenceScores:
    """What the set says.

    Attributes:
        scores: (N, C) float32 in (0, 1), how likely each picture shows each class.
        splits: of each class, or None where it keeps its plain scores.
        notes: what went otherwise, for the user; one line each.
    """

    scores: Singles
    splits: tuple[Split | None, ...]
    notes: tuple[str, ...]


def refuse_reason(pictures: int, scoring: EvidenceScoring) -> str | None:
    """Why a set is too small for statistics, or None where it is not."""
    if pictures >= scoring.pictures:
        return None
    return f"{pictures} pictures are too few for statistics (fewer than {scoring.pictures})"


def score_evidence(
    views: SetViews, classes: tuple[str, ...], scoring: EvidenceScoring
) -> EvidenceScores:
    """Rank each class's pictures by what its rivals do not explain, and calibrate the ranks.

    1. A class's raw evidence is the standardized shares plus the standardized best snippet.
    2. A ridge regression over the class's certainly absent pictures predicts it from the other
       classes' cosines (whole picture, best and worst snippet); what is left ranks the pictures.
    3. What is left of the cosines alone is near normal where the class is not and where it is:
       two normal distributions tell how likely each rank is (mixture.py).
    """
    whole, best, worst = (standardize(v) for v in (views.whole, views.best, views.worst))
    raw = standardize(views.shares) + best
    inputs = np.concatenate([whole, best, worst], axis=1)
    targets = np.concatenate([raw, whole + best], axis=1)
    weights, levels = _fit_rivals(inputs, targets, scoring)
    left = (targets - levels - inputs @ weights).astype(np.float32)
    ranks, cosines = np.split(left, 2, axis=1)
    return _calibrate(ranks, standardize(cosines), views.plain, classes, scoring)


def _fit_rivals(
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


def _calibrate(
    ranks: Singles,
    cosines: Singles,
    plain: Singles,
    classes: tuple[str, ...],
    scoring: EvidenceScoring,
) -> EvidenceScores:
    splits = [fit_split(column) for column in cosines.T]
    typical = typical_split(splits)
    seen = (plain >= 0.5).mean(axis=0) >= scoring.seen
    scores = np.empty_like(ranks)
    used: list[Split | None] = []
    for column, split in enumerate(splits):
        chosen = (split if split.found else typical) if seen[column] else None
        if chosen is None:
            scores[:, column] = plain[:, column]
        else:
            likely = chosen.probabilities(cosines[:, column])
            scores[:, column] = rank_like(ranks[:, column], likely)
        used.append(chosen)
    return EvidenceScores(scores, tuple(used), _notes(splits, used, classes))


def rank_like(ranks: Floats, values: Floats) -> Doubles:
    """The values in the order of the ranks; what ranks the same gets the mean."""
    _, place, count = np.unique(ranks, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    sums = np.concatenate([[0.0], np.cumsum(np.sort(values))])
    means: Doubles = (sums[ends] - sums[ends - count]) / count
    return means[place.reshape(-1)]


def _notes(
    splits: list[Split], used: list[Split | None], classes: tuple[str, ...]
) -> tuple[str, ...]:
    plain = [name for name, split in zip(classes, used, strict=True) if split is None]
    vague = [
        name
        for name, split, chosen in zip(classes, splits, used, strict=True)
        if chosen is not None and not split.found
    ]
    notes = []
    if plain:
        notes.append(
            f"hardly any picture shows {', '.join(plain)}: scored picture by picture, as "
            "--strategy cdul does"
        )
    if vague:
        notes.append(f"{', '.join(vague)}: no clear line between yes and no, the others' is taken")
    return tuple(notes)
