"""Scores from the statistics of a whole set, without a label: `--strategy evidence`.

A class's cosine is high where the class is, and where something is that looks or reads like it.
The second is learned from the pictures in which the class certainly is not, and taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.evidence_model import EvidenceModel, EvidenceScoring, Standards
from cdul_edge.labelling.score.mixture import Split, fit_split, typical_split
from cdul_edge.labelling.score.rank_table import RankTable, tabulate_ranks
from cdul_edge.labelling.score.rivals import fit_rivals
from cdul_edge.labelling.score.set_statistics import SetViews, measure_standard, standardize
from cdul_edge.labels.settings import Snippets


@dataclass(frozen=True)
class EvidenceFit:
    """What a set says.

    Attributes:
        model: to score other pictures with.
        scores: (N, C) float32 in (0, 1), how likely each of its pictures shows each class.
        cosines: (N, C) of the whole pictures, less each picture's mean.
        splits: of each class, or None where it keeps its plain scores.
        notes: what went otherwise, for the user; one line each.
    """

    model: EvidenceModel
    scores: Singles
    cosines: Singles
    splits: tuple[Split | None, ...]
    notes: tuple[str, ...]


def refuse_reason(pictures: int, scoring: EvidenceScoring) -> str | None:
    """Why a set is too small for statistics, or None where it is not."""
    if pictures >= scoring.pictures:
        return None
    return f"{pictures} pictures are too few for statistics (fewer than {scoring.pictures})"


def fit_evidence(
    views: SetViews,
    classes: tuple[str, ...],
    scoring: EvidenceScoring,
    aggregation: Aggregation,
    snippets: Snippets,
) -> EvidenceFit:
    """Rank each class's pictures by what its rivals do not explain, and calibrate the ranks.

    1. A class's raw evidence is the standardized shares plus the standardized best snippet.
    2. A ridge regression over the class's certainly absent pictures predicts it from the other
       classes' cosines (whole picture, best and worst snippet); what is left ranks the pictures.
    3. What is left of the cosines alone is near normal where the class is not and where it is:
       two normal distributions tell how likely each rank is (mixture.py).

    Args:
        views: of the pictures to learn from.
        classes: the C names, for the notes.
        scoring: the settings.
        aggregation, snippets: by which the views were gathered.
    """
    whole, plain, how = views.whole, views.plain, views.how
    standards, inputs, targets = _standardize(views)
    del views  # the set's arrays are most of what labeling holds: each goes when it can
    weights, levels = fit_rivals(inputs, targets, scoring)
    # in place, for the same sums as targets - levels - inputs @ weights
    explained = inputs @ weights
    del inputs
    targets -= levels
    targets -= explained
    del explained
    count = len(classes)
    ranks, cosines = targets[:, :count], standardize(targets[:, count:])
    splits = [fit_split(column) for column in cosines.T]
    typical = typical_split(splits)
    seen = (plain >= 0.5).mean(axis=0) >= scoring.seen
    used: list[Split | None] = []
    tables: list[RankTable | None] = []
    scores = plain.copy()
    for column, split in enumerate(splits):
        chosen = (split if split.found else typical) if seen[column] else None
        used.append(chosen)
        tables.append(None)
        if chosen is not None:
            table = tabulate_ranks(ranks[:, column], chosen.probabilities(cosines[:, column]))
            scores[:, column], tables[-1] = table.of(ranks[:, column]), table
    model = EvidenceModel(
        aggregation,
        snippets,
        how,
        standards,
        np.ascontiguousarray(weights[:, :count]),
        levels[:count],
        tuple(tables),
    )
    return EvidenceFit(model, scores, whole, tuple(used), _notes(splits, used, classes))


def _standardize(views: SetViews) -> tuple[Standards, Singles, Singles]:
    """Means and spreads, (N, 3 C) regressors and (N, 2 C) targets."""
    standards = Standards(
        *(measure_standard(v) for v in (views.whole, views.best, views.worst, views.shares))
    )
    inputs = np.concatenate(
        [
            standards.whole.of(views.whole),
            standards.best.of(views.best),
            standards.worst.of(views.worst),
        ],
        axis=1,
    )
    whole, best, _ = np.split(inputs, 3, axis=1)
    targets = np.concatenate([standards.shares.of(views.shares) + best, whole + best], axis=1)
    return standards, inputs, targets


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
