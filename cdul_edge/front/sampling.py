"""Draw the questions of which the answers say how good scores are.

The unit is a pair of picture and class. What makes a picture worth a look differs from class to
class (near its threshold, or where mistakes weigh most), so a picture drawn for one class would be
a wasted question for nearly all others; and samples that are independent by class give each class,
and their mean, an interval of its own.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.scored_pictures import ScoredPictures, read_scored_pictures
from cdul_edge.labels.sheet import SHEET, Question, holds_sheet, read_sheet, write_sheet, written
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import given_thresholds
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import refuse_existing
from cdul_edge_runtime.metrics.matching import find_rows
from cdul_edge_runtime.metrics.score_strata import SMALLEST, draw_pictures
from cdul_edge_runtime.pictures.images import find_images

PER_CLASS = 50


@dataclass(frozen=True)
class SampleRequest:
    """Which questions to draw.

    Attributes:
        scores: a labels folder, its labels alone, or predictions (.jsonl, .csv).
        out: the sheet, a CSV.
        per_class: pictures to ask about for each class.
        class_names: ask about these only; about all classes where there is none.
        threshold: in place of the thresholds that come with the scores, as for `evaluate`.
        images: a folder or a list of the pictures as they lie now: only pictures that are there
            are drawn from; they are found by path, file name or stem. None draws from all.
        seed: of the draw. A class's pictures do not depend on which others are asked about.
        force: replace a sheet, answers included.

    Raises:
        CdulEdgeError: fewer than `SMALLEST` pictures per class.
    """

    scores: Location
    out: Path
    per_class: int = PER_CLASS
    class_names: tuple[str, ...] = ()
    threshold: float | Path | None = None
    images: Path | None = None
    seed: int = 0
    force: bool = False

    def __post_init__(self) -> None:
        if self.per_class < SMALLEST:
            raise CdulEdgeError(
                f"{self.per_class} pictures per class: expected at least {SMALLEST}, three on each "
                "side of the threshold"
            )


@dataclass(frozen=True)
class SampleResult:
    """What was drawn.

    Attributes:
        out: the sheet.
        questions: how many, by class.
        pictures: that they were drawn from.
        root: the folder that the sheet's paths lie in; None where nothing says so.
    """

    out: Path
    questions: Mapping[str, int]
    pictures: int
    root: Path | None


def sample(request: SampleRequest, console: Console | None = None) -> SampleResult:
    """Draw pictures of each class, by strata of its scores, and write the sheet of questions.

    Args:
        request: what to draw from, and how many.
        console: where to warn; without one, warnings are issued.

    Raises:
        CdulEdgeError: scores that cannot be read or are no probabilities, an unknown class, or a
            file at `out`.
    """
    console = console or LibraryConsole()
    _refuse_existing(request)
    found = read_scored_pictures(request.scores)
    population = Population.of(found, request.threshold, request.images)
    if len(population.paths) < len(found.paths):
        console.say(
            f"{len(population.paths)} of {len(found.paths)} scored pictures are in "
            f"{request.images}: only these are drawn from"
        )
    if ((population.scores < 0) | (population.scores > 1)).any():
        raise CdulEdgeError(
            f"{request.scores} holds scores outside [0, 1]: pictures are drawn by probabilities, "
            "so give what `label` or `predict` wrote"
        )
    if request.class_names:
        columns = sorted({found.classes.index(name) for name in request.class_names})
    else:
        columns = list(range(len(found.classes)))
    drawn = {column: population.draw(column, request) for column in columns}
    never = [column for column in columns if not population.predicted(column).any()]
    if never:
        names = ", ".join(found.classes.names[column] for column in never)
        console.warn(
            f"no score reaches the threshold of {names}: of what is never predicted, answers can "
            "tell only that it is missed"
        )
    _warn_of_missing(population, {one.path for some in drawn.values() for one in some}, console)
    write_sheet(request.out, (one for column in columns for one in drawn[column]))
    return SampleResult(
        out=request.out,
        questions={found.classes.names[c]: len(some) for c, some in drawn.items()},
        pictures=len(population.paths),
        root=population.root,
    )


@dataclass(frozen=True, eq=False)
class Population:
    """All pictures that could be drawn, in the order of their paths.

    Attributes:
        paths: as a sheet writes them, sorted.
        scores: (N, C) in that order.
        thresholds: (C,) that decide.
        root: the folder that the paths lie in; None where nothing says so.
        paths_digest: SHA-256 of all paths.
    """

    paths: tuple[str, ...]
    classes: ClassList
    scores: npt.NDArray[np.float32]
    thresholds: npt.NDArray[np.float32]
    root: Path | None
    paths_digest: bytes

    @classmethod
    def of(
        cls, found: ScoredPictures, threshold: float | Path | None, images: Path | None
    ) -> Population:
        """Sort the pictures, so that a draw does not depend on the order of a file.

        Args:
            found: all scores.
            threshold: one for all classes or a file of them; None leaves those of the scores.
            images: only the pictures that are there, under their paths there; None is all.

        Raises:
            CdulEdgeError: a picture that is named twice, no picture in `images`, or a threshold
                that does not fit.
        """
        found = found if images is None else _find_present(found, images)
        paths = [written(path) for path in found.paths]
        order = sorted(range(len(paths)), key=paths.__getitem__)
        ranked = tuple(paths[row] for row in order)
        twice = next((path for path, count in Counter(ranked).items() if count > 1), None)
        if twice is not None:
            raise CdulEdgeError(f"the scores name {twice!r} twice: each picture counts once")
        thresholds = found.thresholds
        if threshold is not None:
            thresholds = given_thresholds(threshold, found.classes)
        digest = hashlib.sha256("\0".join(ranked).encode()).digest()
        return cls(ranked, found.classes, found.scores[order], thresholds, found.root, digest)

    def predicted(self, column: int) -> npt.NDArray[np.bool_]:
        """(N,) whether a class's score reaches its threshold."""
        return np.asarray(self.scores[:, column] >= self.thresholds[column])

    def digest(self, column: int) -> str:
        """Of all that the sample of a class depends on, but for its size and seed."""
        digest = hashlib.sha256(self.paths_digest + self.classes.names[column].encode())
        values = np.append(self.scores[:, column], self.thresholds[column])
        digest.update(values.astype("<f4").tobytes())
        return digest.hexdigest()[:12]

    def draw(self, column: int, request: SampleRequest) -> list[Question]:
        """The questions about one class, in the order in which to answer them."""
        name, scores = written(self.classes.names[column]), self.scores[:, column]
        generator = np.random.default_rng((request.seed, zlib.crc32(name.encode())))
        threshold = float(self.thresholds[column])
        found = draw_pictures(scores, threshold, request.per_class, generator)
        first = found.above.argmin() if not found.above.all() else len(found.above)
        numbers = [h + 1 - (0 if above else first) for h, above in enumerate(found.above)]
        pattern = Question(
            path="",
            name=name,
            above=False,
            stratum=1,
            drawn=1,
            size=1,
            score=0.0,
            threshold=_short(self.thresholds[column]),
            pictures=len(self.paths),
            digest=self.digest(column),
        )
        return [
            replace(
                pattern,
                path=self.paths[picture],
                above=bool(found.above[stratum]),
                stratum=int(numbers[stratum]),
                drawn=int(found.drawn[stratum]),
                size=int(found.sizes[stratum]),
                score=_short(scores[picture]),
            )
            for picture, stratum in zip(found.pictures, found.strata, strict=True)
        ]


def _find_present(found: ScoredPictures, images: Path) -> ScoredPictures:
    """The scores of the pictures that are in a folder or a list, under their paths there."""
    there = find_images(images)
    matches = find_rows(there.paths, found.paths, whose=f"{images}")
    rows = np.flatnonzero(matches.found)
    if not len(rows):
        raise CdulEdgeError(
            f"none of the {len(found.paths)} scored pictures is in {images}: the scores name "
            f"{found.paths[0]!r}, and there is {there.paths[0]!r}; give the folder they lie in"
        )
    return replace(
        found,
        paths=tuple(there.paths[matches.rows[row]] for row in rows),
        scores=found.scores[rows],
        root=there.root,
    )


def _warn_of_missing(population: Population, drawn: set[str], console: Console) -> None:
    """Name pictures that nobody can look at; the answers may be given on another machine."""
    root = population.root
    missing = [] if root is None else sorted(p for p in drawn if not (root / p).is_file())
    if missing:
        console.warn(
            f"{len(missing)} of the {len(drawn)} pictures drawn are not in {root}, such as "
            f"{missing[0]!r}: give the folder they lie in now as --images, and only pictures that "
            "are there are asked about"
        )


def _short(value: np.float32) -> float:
    """The shortest number that is this one as float32: 0.83, and not 0.8299999833106995."""
    return float(str(value))


def _refuse_existing(request: SampleRequest) -> None:
    """As everywhere; but say how many answers would be lost."""
    out = request.out
    if not request.force and out.is_file():
        with out.open("rb") as file:
            ours = holds_sheet(file.read(4096))
        answers = sum(one.answer is not None for one in read_sheet(out)) if ours else 0
        if answers:
            raise CdulEdgeError(
                f"{out} holds {answers} answer(s): choose another --out, or throw them away with "
                "--force"
            )
    inputs = [request.scores] if isinstance(request.scores, Path) else []
    refuse_existing(out, SHEET, force=request.force, inputs=inputs)
