"""The cheap half: from a finished similarity store to scores, without CLIP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from cdul_edge.labelling.arrays import Floats, Singles, split_rows
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.debias import (
    RIDGE,
    fit_ridge,
    measure_columns,
    measure_top1_bias,
)
from cdul_edge.labelling.score.evidence import fit_evidence, refuse_reason
from cdul_edge.labelling.score.evidence_model import EvidenceScoring
from cdul_edge.labelling.score.patches.patch_scores import PatchScoring
from cdul_edge.labelling.score.sample import (
    SAMPLE,
    Sample,
    choose_sample,
    describe_sample,
)
from cdul_edge.labelling.score.scorer import FittedScorer, PartScores, Scorer
from cdul_edge.labelling.score.scoring import SPREAD, Scoring
from cdul_edge.labelling.score.set_models import (
    CenteredModel,
    PictureModel,
    RidgeModel,
    SetModel,
    StandardizedModel,
    TopOneModel,
    take_whole,
)
from cdul_edge.labelling.score.set_statistics import SetViews, center_whole, gather_views
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.manifest import StoreFacts
from cdul_edge.labels.settings import Snippets

# Of a part's cosines, so many have their float32 copies at once.
_HELD = 1 << 23


def choose_scorer(scoring: Scoring, store: StoreFacts) -> Scorer:
    """The strategy asked for, with the temperature that this store's CLIP has."""
    aggregation = scoring.resolve(store.model_temperature, store.cached_temperature)
    if store.kind == "patches":
        return PatchScoring(aggregation.temperature)
    return SnippetScoring(scoring, aggregation, store.snippets)


@dataclass(frozen=True)
class SnippetScoring:
    """Strategies that merge a picture's snippets, or read the whole set's.

    Attributes:
        scoring: what was asked for.
        aggregation: the same, with the store's temperature.
        snippets: what the rows after a picture's first are.
        sample: how many pictures a set is learned from.
        salt: chooses them; for trials.
    """

    scoring: Scoring
    aggregation: Aggregation
    snippets: Snippets
    sample: int = SAMPLE
    salt: str = ""

    def fit(self, store: StoreReader, classes: tuple[str, ...]) -> FittedScorer:
        """Read the paths, and up to five times the parts that have a picture of the sample."""
        asked, aggregation = self.scoring, self.aggregation
        if asked.strategy != "evidence" and asked.debias == "none" and asked.temperature != SPREAD:
            return self._fit_nothing(aggregation)
        sample = choose_sample(store, self.sample, self.salt)
        if not sample.pictures:
            return self._fit_nothing(aggregation)
        if asked.temperature == SPREAD:
            measured = measure_columns(sample.read, self.snippets).temperature
            aggregation = replace(aggregation, temperature=measured)
        if asked.strategy == "evidence":
            return self._fit_evidence(sample, aggregation, classes)
        return self._fit_debias(sample, aggregation)

    def _fit_nothing(self, aggregation: Aggregation) -> FittedSnippets:
        settings = {**aggregation.to_dict(), "debias": "none"}
        return FittedSnippets(PictureModel(aggregation, self.snippets), settings)

    def _fit_debias(self, sample: Sample, aggregation: Aggregation) -> FittedScorer:
        snippets, debias = self.snippets, self.scoring.debias
        settings = {**aggregation.to_dict(), "debias": debias, **describe_sample(sample)}
        if debias == "ridge":
            ridge, scores = fit_ridge(self._gather(sample, aggregation))
            settings["ridge"] = RIDGE
            if sample.whole:
                return KnownScores(scores, take_whole, sample.starts(), settings)
            return FittedSnippets(RidgeModel(aggregation, snippets, ridge), settings)
        model: SetModel = PictureModel(aggregation, snippets)
        if debias == "center":
            columns = measure_columns(sample.read, snippets)
            model = CenteredModel(aggregation, snippets, columns)
        elif debias == "sparc":
            unit = measure_columns(sample.read, snippets).temperature
            columns = measure_columns(sample.read, snippets, rows=True)
            model = StandardizedModel(aggregation, snippets, columns, unit)
        elif debias == "ccd":
            bias = measure_top1_bias(_read_whole(sample), aggregation.temperature)
            model = TopOneModel(aggregation, snippets, bias)
        return FittedSnippets(model, settings)

    def _gather(self, sample: Sample, aggregation: Aggregation) -> SetViews:
        spreads = EvidenceScoring.spreads
        return gather_views(sample.read, len(sample), aggregation, self.snippets, spreads)

    def _fit_evidence(
        self, sample: Sample, aggregation: Aggregation, classes: tuple[str, ...]
    ) -> FittedScorer:
        scoring, snippets = EvidenceScoring(), self.snippets
        settings = {**aggregation.to_dict(), **asdict(scoring), "strategy": "evidence"}
        reason = refuse_reason(sample.pictures, scoring)
        if reason is not None:
            note = f"{reason}: each picture was scored on its own, as --strategy cdul does"
            settings["instead"] = "cdul"
            return FittedSnippets(PictureModel(aggregation, snippets), settings, (note,))
        found = fit_evidence(
            self._gather(sample, aggregation),
            classes,
            scoring,
            aggregation,
            snippets,
        )
        settings |= describe_sample(sample)
        settings["splits"] = {
            name: asdict(split) if split else None
            for name, split in zip(classes, found.splits, strict=True)
        }
        if sample.whole:
            return KnownScores(found.scores, center_whole, sample.starts(), settings, found.notes)
        return FittedSnippets(found.model, settings, found.notes)


@dataclass(frozen=True)
class KnownScores:
    """A set that is its own sample: the fit has scored every picture.

    Attributes:
        scores: (N, C) of the readable pictures, in the order of the store.
        take_cosines: from a part's values to the cosines (M, C) that go with the scores.
        starts: of each part, the first of its rows; and N.
        settings, notes: as of every fitted scorer.
    """

    scores: Singles
    take_cosines: Callable[[Floats], Singles]
    starts: tuple[int, ...]
    settings: Mapping[str, object]
    notes: tuple[str, ...] = ()

    def apply(self, store: StoreReader, index: int) -> PartScores:
        """The part's rows."""
        part = store.cosines(index)
        rows = slice(self.starts[index], self.starts[index + 1])
        cosines = self.take_cosines(part.values)
        return PartScores(part.labelled, self.scores[rows], cosines, part.skipped)


@dataclass(frozen=True)
class FittedSnippets:
    """A model of the set, for one part after another."""

    model: SetModel
    settings: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def apply(self, store: StoreReader, index: int) -> PartScores:
        """Read a part and score it, some pictures at a time."""
        part = store.cosines(index)
        values = part.values
        scores = np.empty((len(values), values.shape[2]), np.float32)
        cosines = np.empty_like(scores)
        for rows in split_rows(len(values), values.shape[1] * values.shape[2], _HELD):
            scores[rows], cosines[rows] = self.model.apply(values[rows])
        return PartScores(part.labelled, scores, cosines, part.skipped)


def _read_whole(sample: Sample) -> Singles:
    return np.concatenate([take_whole(part.values) for part in sample.read()])
