"""What a bundle predicted: how often each class, how sure, and how far that is from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from cdul_edge.labels.score_stream import ScoreStream, stream_scores
from cdul_edge.page.charts import draw_histogram, draw_lines, to_inline_svg
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.predictions.drift_tally import DriftTally
from cdul_edge.reporting.stages.predictions.score_references import find_reference
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge.reporting.stages.top_entries import Entry, TopEntries
from cdul_edge_runtime.bundle.log_odds import sigmoid
from cdul_edge_runtime.bundle.score_reference import EDGES, ScoreReference
from cdul_edge_runtime.metrics.drift import SHIFTED, ClassDrift

MOST_CLASSES = 12  # with pictures and a chart, unless named
_PICTURES = 4  # of each kind
_HISTOGRAM = 20
# A score in the middle of each bin of a reference; the outer two have no end.
_MIDDLES = sigmoid(np.concatenate([EDGES[:1], (EDGES[1:] + EDGES[:-1]) / 2, EDGES[-1:]]))


@dataclass(frozen=True)
class PredictedPicture:
    """A picture with its score for a class; `thumbnail` is its name in the page, or None."""

    picture: str
    score: float
    thumbnail: str | None


@dataclass(frozen=True)
class PredictedClass:
    """One class.

    Attributes:
        given: pictures that got the label; `share` of all, in [0, 1].
        mean_score: in [0, 1].
        lowest_given, highest_not_given: the threshold lies between these two scores.
        reference_share: of the training pictures.
        psi: population stability index against the training pictures: below 0.1 is stable, above
            0.25 has shifted. None without a reference, as are the two others.
        calibration_shift: how much higher scores are on average, in [-1, 1].
    """

    name: str
    given: int
    share: float
    mean_score: float
    lowest_given: float | None
    highest_not_given: float | None
    reference_share: float | None = None
    psi: float | None = None
    calibration_shift: float | None = None


@dataclass(frozen=True)
class ShownClass:
    """Pictures of a class: the surest, and those on both sides of the threshold."""

    name: str
    surest: tuple[PredictedPicture, ...]
    barely_given: tuple[PredictedPicture, ...]
    barely_not: tuple[PredictedPicture, ...]


@dataclass(frozen=True)
class PredictionsFacts:
    """A file of predictions.

    Attributes:
        labels_per_picture: mean number of labels.
        without_label: pictures that got none.
        reference: what the distribution is compared with; None where there is nothing.
        reference_pictures: how many that counts.
        shifted: how many classes have an index above 0.25; None without a reference.
        note: why there is no comparison.
    """

    pictures: int
    labels_per_picture: float
    without_label: int
    classes: tuple[PredictedClass, ...]
    shown: tuple[ShownClass, ...]
    reference: str | None
    reference_pictures: int | None
    shifted: int | None
    note: str


def read_predictions(one: Input, asked: Asked) -> Section:
    """The section of one file of predictions, read once from beginning to end.

    Raises:
        CdulEdgeError: a damaged line, or scores of some classes only.
    """
    stream = stream_scores(one.path)
    tally = _Tally.of(stream)
    reference, name, note = find_reference(asked.inputs, stream.classes)
    if reference is not None and tally.outside:
        reference, note = None, "scores lie outside 0 to 1: there is nothing to compare"
    drift = [] if reference is None else tally.drift.measure(reference, tally.share)
    classes = tally.classes(drift)
    places = _choose(classes, asked.class_names)
    facts = PredictionsFacts(
        pictures=tally.pictures,
        labels_per_picture=int(tally.given.sum()) / tally.pictures,
        without_label=tally.without_label,
        classes=classes,
        shown=tuple(tally.pictures_of(place, asked) for place in places),
        reference=None if reference is None else name,
        reference_pictures=None if reference is None else reference.pictures,
        shifted=None if reference is None else sum(one.psi > SHIFTED for one in drift),
        note=note,
    )
    return Section(
        key=one.key,
        title=title_of(one, asked),
        template="report/predictions.html",
        source=one.path,
        facts=facts,
        charts={
            f"scores-{number}": _draw(tally, place, reference, f"{one.key}-scores-{number}")
            for number, place in enumerate(places)
        },
    )


class _Tally:
    """All that is shown, added up batch by batch."""

    def __init__(self, stream: ScoreStream) -> None:
        count = len(stream.classes)
        self.stream, self.names = stream, list(stream.classes)
        self.pictures = self.without_label = self.outside = 0
        self.given = np.zeros(count, np.int64)
        self.histogram = np.zeros((count, _HISTOGRAM), np.int64)
        self.drift = DriftTally(count)
        self.surest = TopEntries(count, _PICTURES)
        # Nearest to the threshold, wherever that is, are the lowest with the label and the
        # highest without.
        self.lowest, self.highest = TopEntries(count, _PICTURES), TopEntries(count, _PICTURES)

    @classmethod
    def of(cls, stream: ScoreStream) -> _Tally:
        tally = cls(stream)
        for rows in stream:
            tally._add(rows.paths, rows.scores, rows.decided)
        return tally

    def _add(
        self,
        paths: Sequence[str],
        scores: npt.NDArray[np.float32],
        decided: npt.NDArray[np.bool_],
    ) -> None:
        self.pictures += len(paths)
        self.without_label += int((~decided.any(axis=1)).sum())
        self.given += decided.sum(axis=0)
        inside = np.clip(scores, 0, 1)
        self.outside += int((inside != scores).sum())
        places = np.minimum((inside * _HISTOGRAM).astype(np.int64), _HISTOGRAM - 1)
        flat = (places + _HISTOGRAM * np.arange(len(self.names))).ravel()
        counts = np.bincount(flat, minlength=self.histogram.size)
        self.histogram += counts.reshape(self.histogram.shape)
        self.drift.add(inside)
        self.surest.add(paths, np.where(decided, scores, -np.inf))
        self.lowest.add(paths, np.where(decided, -scores, -np.inf))
        self.highest.add(paths, np.where(decided, -np.inf, scores))

    @property
    def share(self) -> npt.NDArray[np.float64]:
        """(C,) of the pictures that get the label."""
        return np.asarray(self.given / self.pictures)

    def classes(self, drift: Sequence[ClassDrift]) -> tuple[PredictedClass, ...]:
        """Each class, with its drift where that is known."""
        found = []
        for column, name in enumerate(self.names):
            lowest, highest = self.lowest.of_class(column), self.highest.of_class(column)
            moved = drift[column] if drift else None
            found.append(
                PredictedClass(
                    name=name,
                    given=int(self.given[column]),
                    share=float(self.share[column]),
                    mean_score=float(self.drift.mean_scores[column]),
                    lowest_given=-lowest[0].value if lowest else None,
                    highest_not_given=highest[0].value if highest else None,
                    reference_share=None if moved is None else moved.reference_prevalence,
                    psi=None if moved is None else moved.psi,
                    calibration_shift=None if moved is None else moved.calibration_shift,
                )
            )
        return tuple(found)

    def pictures_of(self, column: int, asked: Asked) -> ShownClass:
        """The pictures of one class, embedded."""

        def shown(entries: Sequence[Entry], sign: float = 1.0) -> tuple[PredictedPicture, ...]:
            return tuple(
                PredictedPicture(
                    one.path, sign * one.value, asked.picture(one.path, self.stream.root)
                )
                for one in entries
            )

        return ShownClass(
            name=self.names[column],
            surest=shown(self.surest.of_class(column)),
            barely_given=shown(self.lowest.of_class(column), -1.0),
            barely_not=shown(self.highest.of_class(column)),
        )


def _choose(classes: Sequence[PredictedClass], wanted: Sequence[str]) -> list[int]:
    """Those named, else those whose distribution moved most, else those given most often."""
    if wanted:
        return [place for place, one in enumerate(classes) if one.name in wanted]

    def rank(place: int) -> tuple[float, int]:
        one = classes[place]
        return (-(one.psi or 0.0), -one.given)

    return sorted(sorted(range(len(classes)), key=rank)[:MOST_CLASSES])


def _draw(tally: _Tally, column: int, reference: ScoreReference | None, key: str) -> Markup:
    name = tally.names[column]
    if reference is None:
        counts = tally.histogram[column].tolist()
        figure = draw_histogram(counts, [i / _HISTOGRAM for i in range(_HISTOGRAM + 1)])
        told = f"{sum(counts[_HISTOGRAM // 2 :])} of {sum(counts)} images score 0.5 or more"
        return to_inline_svg(figure, key=key, title=f"Scores for {name}", description=told)
    groups = np.minimum((_MIDDLES * 10).astype(np.int64), 9)
    shares = {
        told: (100 * np.bincount(groups, counts[column], 10) / counts[column].sum()).tolist()
        for told, counts in (("here", tally.drift.counts), ("training", reference.counts))
    }
    middles = [(2 * number + 1) / 20 for number in range(10)]
    return to_inline_svg(
        draw_lines(
            {told: (middles, values) for told, values in shares.items()},
            "score",
            "percent of images",
        ),
        key=key,
        title=f"Scores for {name}, here and on the training images",
        description="; ".join(
            f"{told}: {sum(values[5:]):.1f} percent score 0.5 or more"
            for told, values in shares.items()
        ),
    )
