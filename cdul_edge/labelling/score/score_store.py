"""The cheap half: from a finished similarity store to scores, without CLIP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.choices import Debias
from cdul_edge.labelling.score.debias import (
    RIDGE,
    center_classes,
    divide_by_top1_bias,
    measure_columns,
    smooth_by_ridge,
    standardize_rows_and_columns,
)
from cdul_edge.labelling.score.evidence import EvidenceScoring, refuse_reason, score_evidence
from cdul_edge.labelling.score.patches.patch_scores import PatchScoring
from cdul_edge.labelling.score.scorer import FittedScorer, KnownScores, PartScores, Scorer
from cdul_edge.labelling.score.scoring import SPREAD, Scoring
from cdul_edge.labelling.score.set_statistics import ReadParts, gather_views
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.manifest import StoreFacts
from cdul_edge.labels.settings import Snippets


def choose_scorer(scoring: Scoring, store: StoreFacts) -> Scorer:
    """The strategy asked for, with the temperature that this store's CLIP has."""
    aggregation = scoring.resolve(store.model_temperature, store.cached_temperature)
    if store.kind == "patches":
        return PatchScoring(aggregation.temperature)
    return SnippetScoring(scoring, aggregation, store.snippets)


@dataclass(frozen=True)
class SnippetScoring:
    """Strategies that merge a picture's snippets, or read the whole set's."""

    scoring: Scoring
    aggregation: Aggregation
    snippets: Snippets

    def fit(self, store: StoreReader, classes: tuple[str, ...]) -> FittedScorer:
        """Read a store of snippets, one to four times."""

        def read() -> Iterator[Part]:
            return (store.cosines(index) for index in range(store.parts))

        known = [_list_part(part) for part in read()]
        if not any(part.paths for part in known):
            return KnownScores(tuple(known), {})
        whole = np.concatenate([part.scores for part in known])
        aggregation = self.aggregation
        if self.scoring.temperature == SPREAD:
            measured = measure_columns(read, self.snippets).temperature
            aggregation = replace(aggregation, temperature=measured)
        if self.scoring.strategy == "evidence":
            found = _weigh_evidence(read, whole, aggregation, self.snippets, classes)
        else:
            found = _score_pictures(read, whole, aggregation, self.snippets, self.scoring.debias)
        starts = np.cumsum([len(part.paths) for part in known])[:-1]
        scores, cosines = np.split(found.scores, starts), np.split(found.cosines, starts)
        parts = (
            replace(part, scores=rows, cosines=values)
            for part, rows, values in zip(known, scores, cosines, strict=True)
        )
        return KnownScores(tuple(parts), found.settings, found.notes)


@dataclass(frozen=True)
class _Scored:
    scores: Singles
    cosines: Singles
    settings: Mapping[str, object]
    notes: tuple[str, ...] = ()


def _score_pictures(
    read: ReadParts, cosines: Singles, aggregation: Aggregation, snippets: Snippets, debias: Debias
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
    cosines: Singles,
    aggregation: Aggregation,
    snippets: Snippets,
    classes: tuple[str, ...],
) -> _Scored:
    settings = EvidenceScoring()
    used = {**aggregation.to_dict(), **asdict(settings), "strategy": "evidence"}
    reason = refuse_reason(len(cosines), settings)
    if reason is not None:
        scored = _score_pictures(read, cosines, aggregation, snippets, "none")
        note = f"{reason}: each picture was scored on its own, as --strategy cdul does"
        return replace(scored, settings={**used, "instead": "cdul"}, notes=(note,))
    views = gather_views(read, aggregation, snippets, settings.spreads)
    found = score_evidence(views, classes, settings)
    used["splits"] = {
        name: asdict(split) if split else None
        for name, split in zip(classes, found.splits, strict=True)
    }
    return _Scored(found.scores, views.whole, used, found.notes)


def _list_part(part: Part) -> PartScores:
    """Its pictures; the cosines stand in for the scores."""
    whole = np.asarray(part.values[:, 0], np.float32).copy()
    return PartScores(part.labelled, whole, whole, part.skipped)
