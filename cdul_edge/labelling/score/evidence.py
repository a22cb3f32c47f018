"""Scores from the statistics of a whole set, without a label: `--strategy evidence`.

A class's cosine is high where the class is, and where something is that looks or reads like it.
The second is learned from the pictures in which the class certainly is not, and taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdul_edge.labelling.arrays import Singles, split_rows
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.evidence_model import EvidenceModel, EvidenceScoring, Standards
from cdul_edge.labelling.score.mixture import Split, fit_split, typical_split
from cdul_edge.labelling.score.rank_table import RankTable, tabulate_ranks
from cdul_edge.labelling.score.rivals import fit_rivals
from cdul_edge.labelling.score.set_statistics import SetViews, measure_standard
from cdul_edge.labels.settings import Snippets


@dataclass(frozen=True)
class EvidenceFit:
    """What a set says.

    Attributes:
        model: to score other pictures with.
        scores: (N, C) float32 in (0, 1), how likely each of its pictures shows each class.
        splits: of each class, or None where it keeps its plain scores.
        notes: what went otherwise, for the user; one line each.
    """

    model: EvidenceModel
    scores: Singles
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
        views: of the pictures to learn from; inputs and shares are worked in, and lost.
        classes: the C names, for the notes.
        scoring: the settings.
        aggregation, snippets: by which the views were gathered.
    """
    plain, how, count = views.plain, views.how, len(classes)
    standards = _standardize(views)
    weights, levels = fit_rivals(views.inputs, views.shares, scoring)
    left = _take_away(views, weights, levels)
    del views  # most of what labeling holds
    ranks, cosines = np.split(left, 2, axis=1)
    measure_standard(cosines).of(cosines, cosines)
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
    return EvidenceFit(model, scores, tuple(used), _notes(splits, used, classes))


def _standardize(views: SetViews) -> Standards:
    """Inputs to their standards, and shares to the raw evidence, in place."""
    kinds = [measure_standard(kind) for kind in (*views.kinds, views.shares)]
    for standard, kind in zip(kinds, (*views.kinds, views.shares), strict=True):
        standard.of(kind, kind)
    _, best, _ = views.kinds
    np.add(views.shares, best, out=views.shares)
    return Standards(*kinds)


def _take_away(views: SetViews, weights: Singles, levels: Singles) -> Singles:
    """(N, 2 C): raw evidence, and the cosines' share of it, less what the rivals explain."""
    # at once: a product of some rows may round otherwise than the same rows of all
    left = views.inputs @ weights
    whole, best, _ = views.kinds
    explained, of_cosines = np.split(left, 2, axis=1)
    level, level_of_cosines = np.split(levels, 2)
    for rows in split_rows(*left.shape):
        explained[rows] = views.shares[rows] - level - explained[rows]
        of_cosines[rows] = whole[rows] + best[rows] - level_of_cosines - of_cosines[rows]
    return left


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
