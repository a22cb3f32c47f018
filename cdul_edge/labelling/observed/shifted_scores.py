"""`cdul-edge label --observed`: a few true labels correct the scores of all pictures.

The correction is learned once, from the parts that hold an answered picture, and then applied to
one part after another, as every strategy is. The answers themselves do not enter the pseudo-labels:
`train --observed` keeps them apart, so that it stays known who said what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labelling.score.scorer import FittedScorer, PartScores
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.observed import Answers, GivenAnswers
from cdul_edge.labels.score_shifts import ScoreShifts, fit_shifts
from cdul_edge.storage.location import Location
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.metrics.matching import name_stem


@dataclass(frozen=True)
class ShiftedScores:
    """A strategy whose scores were corrected.

    Attributes:
        fitted: the strategy.
        shifts: of each class.
        answers: how many are present, and how many absent.
        files: the digest of each file of answers.
        classes: names of the columns.
    """

    fitted: FittedScorer
    shifts: ScoreShifts
    answers: tuple[int, int]
    files: Mapping[str, str]
    classes: tuple[str, ...]

    @property
    def settings(self) -> Mapping[str, object]:
        """Those of the strategy, and what was learned."""
        present, absent = self.answers
        observed = {
            "files": dict(self.files),
            "present": present,
            "absent": absent,
            "learned_from": 0 if self.shifts.unlearned else self.shifts.answers,
            "shifts": dict(zip(self.classes, self.shifts.shifts.tolist(), strict=True)),
        }
        return {**self.fitted.settings, "observed": observed}

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the strategy."""
        return self.fitted.notes

    def describe(self) -> str:
        """A line for people."""
        present, absent = self.answers
        return (
            f"observed labels: {present} present, {absent} absent; "
            f"{self.shifts.describe(self.classes)}"
        )

    def apply(self, store: StoreReader, index: int) -> PartScores:
        """The part's scores, corrected."""
        part = self.fitted.apply(store, index)
        return replace(part, scores=self.shifts.of(part.scores))


def shift_scores(
    fitted: FittedScorer,
    store: StoreReader,
    given: GivenAnswers,
    root: Location | None,
    console: Console,
) -> ShiftedScores:
    """Learn from answers how the scores of a fitted strategy are to be corrected.

    Reads the paths of the store, and the values of the parts that hold an answered picture.

    Args:
        fitted: the strategy.
        store: its similarities.
        given: the answers.
        root: the folder that the store's paths are relative to.
        console: for a line about what was learned.

    Raises:
        CdulEdgeError: an answer about a picture that is not labeled, or answers that contradict
            each other.
    """
    places: list[tuple[int, int]] = []
    paths: list[str] = []
    stems, pictures = given.stems, 0
    for index, readable in enumerate(store.each(range(store.parts), store.readable)):
        pictures += len(readable)
        for row, path in enumerate(readable):
            if name_stem(path) in stems:
                places.append((index, row))
                paths.append(path)
    answers = given.find(paths, pictures, root)
    scores = _scores_of(answers, places, fitted, store)
    classes = given.classes.names
    shifts = fit_shifts(scores, answers.columns, answers.present, len(classes))
    present = int(answers.present.sum())
    counts = (present, len(answers) - present)
    shifted = ShiftedScores(fitted, shifts, counts, given.digests(), classes)
    console.say(shifted.describe())
    return shifted


def _scores_of(
    answers: Answers, places: list[tuple[int, int]], fitted: FittedScorer, store: StoreReader
) -> Singles:
    """(K,) the strategy's scores of the answered entries."""
    parts, rows = np.array(places, np.intp).reshape(-1, 2)[answers.rows].T
    scores = np.empty(len(answers), np.float32)
    for part in np.unique(parts).tolist():
        here = parts == part
        found = fitted.apply(store, part).scores
        scores[here] = found[rows[here], answers.columns[here]]
    return scores
