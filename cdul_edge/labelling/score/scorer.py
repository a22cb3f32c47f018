"""What every strategy offers: a fit to a sample of a store, and scores of one part after another.

fitted = choose_scorer(scoring, manifest.similarities).fit(store, manifest.classes)
for index in range(store.parts):
    found = fitted.apply(store, index)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.manifest import SkippedPicture


@dataclass(frozen=True)
class PartScores:
    """Scores of the M readable pictures of one part; M may be 0.

    Attributes:
        paths: M paths.
        scores: (M, C) in [0, 1].
        cosines: (M, C) of the whole pictures, up to a constant per picture.
        skipped: the part's other pictures.
    """

    paths: tuple[str, ...]
    scores: Singles
    cosines: Singles
    skipped: tuple[SkippedPicture, ...]


class FittedScorer(Protocol):
    """A strategy that knows its set, and needs one part at a time."""

    @property
    def settings(self) -> Mapping[str, object]:
        """How the scores are made; plain values."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What goes otherwise than asked, for the user; one line each."""

    def apply(self, store: StoreReader, index: int) -> PartScores:
        """Score one part of the store, in whatever order and process."""


class Scorer(Protocol):
    """A strategy with its settings."""

    def fit(self, store: StoreReader, classes: tuple[str, ...]) -> FittedScorer:
        """Learn what the strategy needs to know of a finished store, from a sample of it."""
