"""The cheap half: from a finished similarity store to pseudo-labels, without CLIP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.request import SPREAD, Scoring
from cdul_edge.labelling.score.aggregation import Aggregation, Snippets
from cdul_edge.labelling.score.debias import (
    RIDGE,
    Debias,
    center_classes,
    divide_by_top1_bias,
    measure_columns,
    smooth_by_ridge,
    standardize_rows_and_columns,
)
from cdul_edge.labelling.score.evidence import EvidenceScoring, refuse_reason, score_evidence
from cdul_edge.labelling.score.set_statistics import ReadParts, gather_views, read_store
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import (
    order_shares,
    prevalence_thresholds,
    unlabelled_thresholds,
)

EXAMPLES = 3


@dataclass(frozen=True)
class ClassSummary:
    """What the pseudo-labels say of one class.

    `threshold` is None for a class that no picture shows; `examples` are its best pictures.
    """

    name: str
    mean_score: float
    threshold: float | None
    above_threshold: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class StoreScores:
    """What a store says of its N readable pictures.

    Attributes:
        paths: N paths.
        scores: (N, C) in [0, 1].
        cosines: (N, C) of the whole pictures, up to a constant a picture.
        skipped: path and reason of the other pictures.
        settings: how the scores were made.
        notes: what went otherwise than asked, for the user; one line each.
    """

    paths: tuple[str, ...]
    scores: npt.NDArray[np.float32]
    cosines: npt.NDArray[np.float32] | None
    skipped: tuple[tuple[str, str], ...]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()


def score_store(
    folder: Path, store: dict[str, Any], classes: tuple[str, ...], scoring: Scoring
) -> StoreScores:
    """Scores of every readable picture of a store of snippets.

    Args:
        folder: the labels folder.
        store: what its manifest says of the similarities.
        classes: names of the C columns.
        scoring: how similarities become scores.
    """
    parts, snippets = store["parts"], store["snippets"]

    def read() -> Iterator[Part]:
        return read_store(folder, parts)

    paths, skipped, whole = _list_pictures(read)
    if not paths:
        return StoreScores((), np.zeros((0, len(classes)), np.float32), None, skipped, {})
    aggregation = scoring.resolve(store["model_temperature"], store["cached_temperature"])
    if scoring.temperature == SPREAD:
        measured = measure_columns(read, snippets).temperature
        aggregation = replace(aggregation, temperature=measured)
    if scoring.strategy == "evidence":
        found = _weigh_evidence(read, whole, aggregation, snippets, classes)
    else:
        found = _score_pictures(read, whole, aggregation, snippets, scoring.debias)
    return StoreScores(paths, found.scores, found.cosines, skipped, found.settings, found.notes)


@dataclass(frozen=True)
class _Scored:
    scores: npt.NDArray[np.float32]
    cosines: npt.NDArray[np.float32]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()


def _score_pictures(
    read: ReadParts,
    cosines: npt.NDArray[np.float32],
    aggregation: Aggregation,
    snippets: Snippets,
    debias: Debias,
) -> _Scored:
    used = {**aggregation.to_dict(), "debias": debias}
    if debias == "ridge":
        views = gather_views(read, aggregation, snippets, EvidenceScoring.spreads)
        return _Scored(smooth_by_ridge(views), cosines, {**used, "ridge": RIDGE})
    unbiased = read
    if debias == "center":
        columns = measure_columns(read, snippets)
        unbiased = partial(center_classes, read, columns)
    elif debias == "sparc":
        unit = measure_columns(read, snippets).temperature
        columns = measure_columns(read, snippets, rows=True)
        unbiased = partial(standardize_rows_and_columns, read, columns, unit)
    scores = [aggregation.scores(part.values, snippets) for part in unbiased()]
    merged = np.concatenate(scores)
    if debias == "ccd":
        merged = divide_by_top1_bias(merged, cosines, aggregation.temperature)
    return _Scored(merged, cosines, used)


def _weigh_evidence(
    read: ReadParts,
    cosines: npt.NDArray[np.float32],
    aggregation: Aggregation,
    snippets: Snippets,
    classes: tuple[str, ...],
) -> _Scored:
    settings = EvidenceScoring()
    used = {**aggregation.to_dict(), **settings.to_dict(), "strategy": "evidence"}
    reason = refuse_reason(len(cosines), settings)
    if reason is not None:
        scored = _score_pictures(read, cosines, aggregation, snippets, "none")
        note = f"{reason}: scored picture by picture, as --strategy cdul does"
        return replace(scored, settings={**used, "instead": "cdul"}, notes=(note,))
    views = gather_views(read, aggregation, snippets, settings.spreads)
    found = score_evidence(views, classes, settings)
    used["splits"] = {
        name: asdict(split) if split else None
        for name, split in zip(classes, found.splits, strict=True)
    }
    return _Scored(found.scores, views.whole, used, found.notes)


def _list_pictures(
    read: ReadParts,
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...], npt.NDArray[np.float32]]:
    """Paths of the readable pictures, the others with their reasons, and whole cosines (N, C)."""
    paths: list[str] = []
    skipped: list[tuple[str, str]] = []
    whole = []
    for part in read():
        paths += part.labelled
        skipped += part.skipped
        whole.append(part.values[:, 0].copy())
    return tuple(paths), tuple(skipped), np.concatenate(whole)


def make_pseudo_labels(
    root: Path,
    found: StoreScores,
    classes: ClassList,
    scoring: Scoring,
    provenance: dict[str, Any],
) -> PseudoLabels:
    """Add thresholds: by the rule asked for, or of the shares given."""
    shares = scoring.shares()
    if shares is None:
        thresholds = unlabelled_thresholds(found.scores, scoring.thresholds)
    else:
        expected = order_shares(shares, classes, Path(scoring.thresholds))
        thresholds = prevalence_thresholds(found.scores, expected)
    return PseudoLabels(
        root, found.paths, classes, found.scores, thresholds, provenance, found.cosines
    )


def summarize_classes(labels: PseudoLabels) -> tuple[ClassSummary, ...]:
    """One row a class, in column order."""
    rows = []
    for column, name in enumerate(labels.classes):
        scores, threshold = labels.scores[:, column], labels.thresholds[column]
        above = scores >= threshold
        best = np.argsort(-scores, kind="stable")[:EXAMPLES]
        rows.append(
            ClassSummary(
                name=name,
                mean_score=float(scores.mean(dtype=np.float64)),
                threshold=float(threshold) if np.isfinite(threshold) else None,
                above_threshold=int(above.sum()),
                examples=tuple(labels.paths[i] for i in best if above[i]),
            )
        )
    return tuple(rows)
