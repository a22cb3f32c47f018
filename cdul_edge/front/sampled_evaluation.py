"""What scores are worth, estimated without bias from a sheet that people answered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cdul_edge.front.sampling import Population
from cdul_edge.labels.scored_pictures import read_scored_pictures
from cdul_edge.labels.sheet import Question, read_sheet, written
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import name_some
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.stratified_f1 import (
    Answers,
    Figures,
    Range,
    estimate_figures,
    estimate_mean,
)


@dataclass(frozen=True)
class SampledRequest:
    """Answers to evaluate.

    Attributes:
        scores: what the sheet was drawn from: a labels folder, a pseudo-label file, or predictions.
        sheet: what `sample` wrote, with answers.
        threshold, images: what was given to `sample`, if anything was.
    """

    scores: Location
    sheet: Path
    threshold: float | Path | None = None
    images: Path | None = None


@dataclass(frozen=True)
class Sampled:
    """A figure with its 95 % interval, in percent; NaN is not known."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain values; NaN becomes None."""
        return {key: None if math.isnan(v) else v for key, v in asdict(self).items()}


@dataclass(frozen=True)
class SampledClass:
    """What the answers say about one class.

    Attributes:
        predicted: pictures of which the score reaches the threshold.
        asked: questions that were drawn; `answered` yes or no, `unsure` ?, and the rest remains.
        joined: strata without an answer, which are taken to be like the one beside them.
    """

    precision: Sampled
    recall: Sampled
    f1: Sampled
    predicted: int
    asked: int
    answered: int
    unsure: int
    joined: int

    @property
    def remaining(self) -> int:
        """Questions without an answer."""
        return self.asked - self.answered - self.unsure

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        plain = {k: v.to_dict() if isinstance(v, Sampled) else v for k, v in vars(self).items()}
        return {**plain, "remaining": self.remaining}


@dataclass(frozen=True)
class SampledResult:
    """What the scores are worth.

    Attributes:
        classes: those that the sheet asks about.
        macro_f1: mean F1 of the classes whose F1 is known.
        averaged: how many these are.
        pictures: that were scored.
    """

    scores: Location
    sheet: Path
    classes: Mapping[str, SampledClass]
    macro_f1: Sampled
    averaged: int
    pictures: int

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "scores": str(self.scores),
            "sheet": str(self.sheet),
            "pictures": self.pictures,
            "classes": {name: one.to_dict() for name, one in self.classes.items()},
            "macro_f1": self.macro_f1.to_dict(),
            "averaged": self.averaged,
        }


def evaluate_sample(request: SampledRequest) -> SampledResult:
    """Estimate precision, recall and F1 by class, and macro F1, each with a 95 % interval.

    The formulas stand in `cdul_edge_runtime.metrics.stratified_f1`.

    Args:
        request: the scores, and the sheet that was drawn from them.

    Raises:
        CdulEdgeError: files that cannot be read, a sheet of other scores, or no answer at all.
    """
    questions = read_sheet(request.sheet)
    scored = read_scored_pictures(request.scores)
    population = Population.of(scored, request.threshold, request.images)
    _refuse_other_scores(request, questions, population)
    if all(one.answer is None for one in questions):
        raise CdulEdgeError(
            f"{request.sheet} holds no answer: write yes, no or ? into its column `answer`"
        )
    classes: dict[str, SampledClass] = {}
    found: list[Range] = []
    for column, name in enumerate(population.classes):
        asked = [one for one in questions if one.name == written(name)]
        if not asked:
            continue
        predicted = int(population.predicted(column).sum())
        answers = _gather(request.sheet, asked, predicted)
        figures = estimate_figures(answers)
        classes[name] = _class(asked, answers, figures, predicted)
        if not math.isnan(figures.f1.value[0]):
            found.append(figures.f1)
    macro = Sampled(math.nan, 0.0, 100.0)
    if found:
        every = Range(*(np.stack(parts, axis=1) for parts in zip(*found, strict=True)))
        macro = Sampled(*(100 * float(end[0]) for end in estimate_mean(every)))
    return SampledResult(
        scores=request.scores,
        sheet=request.sheet,
        classes=classes,
        macro_f1=macro,
        averaged=len(found),
        pictures=len(population.paths),
    )


def _gather(sheet: Path, asked: Sequence[Question], predicted: int) -> Answers:
    """The answers about one class by stratum, the lowest scores of each side first."""
    strata = sorted({(not one.above, one.stratum, one.size, one.drawn) for one in asked})
    rows = Counter((not one.above, one.stratum) for one in asked)
    known = Counter((not one.above, one.stratum) for one in asked if one.answer in ("yes", "no"))
    yes = Counter((not one.above, one.stratum) for one in asked if one.answer == "yes")
    keys = [(below, number) for below, number, _, _ in strata]
    whole = sum(size for below, _, size, _ in strata if not below) == predicted and (
        sum(size for _, _, size, _ in strata) == asked[0].pictures
    )
    if not whole or any(rows[b, n] > drawn for b, n, _, drawn in strata):
        raise CdulEdgeError(
            f"{sheet} does not hold the questions about {asked[0].name} as they were drawn: all "
            "rows of a stratum are gone, or rows of another sheet were added; put them back"
        )
    return Answers(
        above=np.array([not below for below, _ in keys]),
        sizes=np.array([size for _, _, size, _ in strata], np.float64),
        answered=np.array([known[key] for key in keys], np.float64),
        positive=np.array([[yes[key] for key in keys]], np.float64),
    )


def _class(
    asked: Sequence[Question], answers: Answers, figures: Figures, predicted: int
) -> SampledClass:
    precision, recall, f1 = (
        Sampled(*(100 * float(end[0]) for end in figure)) for figure in figures
    )
    drawn = {(one.above, one.stratum): one.drawn for one in asked}
    return SampledClass(
        precision=precision,
        recall=recall,
        f1=f1,
        predicted=predicted,
        asked=sum(drawn.values()),
        answered=int(answers.answered.sum()),
        unsure=sum(one.answer == "?" for one in asked),
        joined=len(answers.sizes) - len(answers.join_unanswered().sizes),
    )


def _refuse_other_scores(
    request: SampledRequest, questions: Sequence[Question], population: Population
) -> None:
    """Refuse a sheet that was drawn from other scores, and say what differs first."""
    columns = {written(name): column for column, name in enumerate(population.classes)}
    rows = {path: row for row, path in enumerate(population.paths)}
    unknown = list(dict.fromkeys(one.name for one in questions if one.name not in columns))
    gone = list(dict.fromkeys(one.path for one in questions if one.path not in rows))
    if unknown:
        raise _differs(request, f"these have no class {name_some(unknown, 5)}")
    if gone:
        raise _differs(request, f"{len(gone)} of its pictures are not there, such as {gone[0]!r}")
    for one in questions:
        column = columns[one.name]
        threshold, score = population.thresholds[column], population.scores[rows[one.path], column]
        if np.float32(one.threshold) != threshold:
            raise _differs(
                request, f"the threshold of {one.name} was {one.threshold} and is {threshold!s}"
            )
        if np.float32(one.score) != score:
            raise _differs(
                request, f"the score of {one.path!r} for {one.name} was {one.score}, is {score!s}"
            )
    if questions[0].pictures != len(rows):
        raise _differs(request, f"it knows {questions[0].pictures} pictures, these {len(rows)}")
    for name, column in columns.items():
        digests = {one.digest for one in questions if one.name == name}
        if digests and digests != {population.digest(column)}:
            raise _differs(request, f"pictures that it does not ask about have other {name} scores")


def _differs(request: SampledRequest, what: str) -> CdulEdgeError:
    return CdulEdgeError(
        f"{request.sheet} was drawn from other scores than {request.scores}: {what}; give the "
        "scores it was drawn from, and --threshold and --images as `sample` got them"
    )
