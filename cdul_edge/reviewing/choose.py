"""Which entries to ask about: those of which answers help the labels most, spread over classes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cdul_edge.reviewing.candidates import Candidate, find_candidates
from cdul_edge.reviewing.near import NearPictures
from cdul_edge.reviewing.pictures import FindPicture
from cdul_edge.reviewing.scores import ReviewedScores
from cdul_edge.reviewing.usefulness import measure_worth, share_of
from cdul_edge_runtime.errors import CdulEdgeError

# So many candidates for an entry that is chosen.
_SPARE = 5
# What an entry is worth beside one of the same class whose picture looks the same.
_BESIDE_ALIKE = 0.1


@dataclass(frozen=True)
class ChoiceRequest:
    """Which entries to choose.

    Attributes:
        count: entries, a picture and a class each.
        class_names: of these classes only; empty: of all.
        find_picture: the file of a path of the scores, or None where nobody could look at it: such
            entries are not chosen. Without it all are, and pictures are compared by scores.
        answered: (path, class) pairs that need no answer.

    Raises:
        CdulEdgeError: a count below 1.
    """

    count: int = 200
    class_names: tuple[str, ...] = ()
    find_picture: FindPicture | None = None
    answered: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise CdulEdgeError(f"a count of {self.count}: choose at least 1 entry")


@dataclass(frozen=True)
class Entry:
    """A question: whether a picture shows a class.

    Attributes:
        path: of the picture, as the scores name it.
        name: of the class.
        score, threshold: of the entry, and of the class; infinite where it is never predicted.
        probability: that the answer is yes.
        gain: expected change of the labels' macro F1 if this entry alone were answered, in points.
    """

    path: str
    name: str
    score: float
    threshold: float
    probability: float
    gain: float


def choose(scores: ReviewedScores, request: ChoiceRequest) -> tuple[Entry, ...]:
    """Choose the most useful entries, most useful first.

    An answer is worth its expected gain of macro F1 (`usefulness` derives it). After k answers
    about a class, earlier ones included, one more counts 1 / (1 + k / `HALF_TAUGHT`) of that, and
    one about a picture that looks like another of the class a tenth; entries are taken greedily.

    The scores are read twice, in memory that does not grow with their number. The same input
    gives the same entries.

    Args:
        scores: of `open_scores`.
        request: how many, and of what.

    Returns:
        `request.count` entries, or all there are.

    Raises:
        CdulEdgeError: an unknown class, or labels that cannot be read.
    """
    names = request.class_names or scores.classes.names
    columns = np.array(sorted({scores.classes.index(name) for name in names}), np.intp)
    worth = measure_worth(scores, columns, request.find_picture)
    answered = _by_path(scores, request.answered)
    given = Counter(column for some in answered.values() for column in some)
    # What looks alike gives way to others; more than a few times as many are not needed.
    most = _SPARE * request.count
    found = find_candidates(scores, worth, most, request.find_picture, answered)
    near = NearPictures()
    chosen = _apart(_take(found, request.count, given, near), near)
    return tuple(
        Entry(
            path=one.path,
            name=scores.classes.names[one.column],
            score=one.score,
            threshold=float(scores.thresholds[one.column]),
            probability=one.probability,
            gain=100 * one.gain / len(scores.classes),
        )
        for one in chosen
    )


def _by_path(
    scores: ReviewedScores, answered: frozenset[tuple[str, str]]
) -> dict[str, frozenset[int]]:
    columns: dict[str, set[int]] = {}
    for path, name in sorted(answered):
        columns.setdefault(path, set()).add(scores.classes.index(name))
    return {path: frozenset(some) for path, some in columns.items()}


def _take(
    found: list[Candidate],
    count: int,
    given: Mapping[int, int],
    near: NearPictures,
) -> list[Candidate]:
    """The best entries, one by one; each lowers what the others of its class are worth."""
    taken = {one.column: given.get(one.column, 0) for one in found}
    waiting = [
        (-_value(one, taken, alike=False), one.column, one.row, taken[one.column], False, one)
        for one in found
    ]
    heapq.heapify(waiting)
    chosen: list[Candidate] = []
    own: dict[int, list[Candidate]] = {column: [] for column in taken}
    while waiting and len(chosen) < count:
        _, column, row, seen, alike, one = heapq.heappop(waiting)
        now_alike = alike or near.any_alike(one, own[column])
        if seen == taken[column] and alike == now_alike:
            chosen.append(one)
            own[column].append(one)
            taken[column] += 1
            continue
        worth = _value(one, taken, alike=now_alike)
        heapq.heappush(waiting, (-worth, column, row, taken[column], now_alike, one))
    return chosen


def _value(one: Candidate, taken: Mapping[int, int], *, alike: bool) -> float:
    share = float(share_of(taken[one.column]))
    return one.gain * share * (_BESIDE_ALIKE if alike else 1)


def _apart(chosen: list[Candidate], near: NearPictures) -> list[Candidate]:
    """The same entries, so that no two in a row look alike, where others can stand between."""
    waiting = list(chosen)
    ordered: list[Candidate] = []
    while waiting:
        last = ordered[-1:]
        at = next((i for i, one in enumerate(waiting) if not near.any_alike(one, last)), 0)
        ordered.append(waiting.pop(at))
    return ordered
