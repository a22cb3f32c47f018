"""The entries of which an answer is worth most, from scores of any number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.reviewing.pictures import FindPicture
from cdul_edge.reviewing.scores import ReviewedScores, Singles
from cdul_edge.reviewing.usefulness import Worth, share_of
from cdul_edge_runtime.bundle.log_odds import log_odds

Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.intp]

_SKETCH = 8


@dataclass(frozen=True)
class Candidate:
    """An entry that may be asked about.

    Attributes:
        row: of the picture in the scores.
        path: of the picture, as the scores name it.
        file: the picture itself; None where nobody looked for it.
        column: of the class.
        score: of the entry.
        probability: that the picture shows the class.
        gain: expected change of the class's F1, in [0, 1].
        sketch: (8,) random projections of the picture's scores: alike where these are.
    """

    row: int
    path: str
    file: Path | None
    column: int
    score: float
    probability: float
    gain: float
    sketch: Singles = field(compare=False, repr=False)


@dataclass(frozen=True)
class _Entries:
    """Entries of one or more batches: K columns of the classes are numbered 0 to K - 1."""

    rows: Numbers
    columns: Numbers
    gains: Doubles

    def join(self, other: _Entries) -> _Entries:
        return _Entries(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.columns, other.columns]),
            np.concatenate([self.gains, other.gains]),
        )

    def take(self, which: npt.NDArray[np.intp]) -> _Entries:
        return _Entries(self.rows[which], self.columns[which], self.gains[which])

    def values(self, given: Numbers) -> Doubles:
        """What each is worth after those of its class that are worth more, and those given."""
        order = np.lexsort((self.rows, -self.gains, self.columns))
        begin = np.searchsorted(self.columns[order], np.arange(len(given)))
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order)) - begin[self.columns[order]]
        return np.asarray(self.gains * share_of(given[self.columns] + rank))


class _Best:
    """The best entries so far, over all classes, and the gain that a better one must have."""

    def __init__(self, most: int, given: Numbers) -> None:
        self.found = _Entries(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
        self.floor = np.zeros(len(given))
        self._most = most
        self._given = given

    def add(self, new: _Entries) -> None:
        every = self.found.join(new)
        if len(every.rows) <= self._most:
            self.found = every
            return
        values = every.values(self._given)
        order = np.lexsort((every.columns, every.rows, -values))
        kept, dropped = order[: self._most], order[self._most :]
        self.found = every.take(kept)
        self.floor = values[kept[-1]] / share_of(self._given)
        lowest = np.full(len(self._given), np.inf)
        np.minimum.at(lowest, self.found.columns, self.found.gains)
        full = np.unique(every.columns[dropped])
        full = full[np.isfinite(lowest[full])]
        self.floor[full] = np.maximum(self.floor[full], lowest[full])


def find_candidates(
    scores: ReviewedScores,
    worth: Worth,
    most: int,
    find_picture: FindPicture | None,
    answered: Mapping[str, frozenset[int]],
) -> list[Candidate]:
    """One pass over the scores: the entries that are worth most, answers before them considered.

    Args:
        worth: of the classes that may be asked about.
        most: entries, over all classes.
        find_picture: the file of a path.
        answered: columns by path that need no answer.

    Returns:
        At most so many; among equals those of earlier rows.
    """
    columns = np.fromiter(worth.classes, np.intp)
    given = np.zeros(len(scores.classes), np.intp)
    for some in answered.values():
        given[list(some)] += 1
    best = _Best(most, given[columns])
    projection = np.random.default_rng(0).standard_normal((len(scores.classes), _SKETCH))
    found: dict[tuple[int, int], Candidate] = {}
    start = 0
    for paths, batch in scores.batches():
        likely, gains = _judge(batch, scores.thresholds, worth)
        gains[~worth.present[start : start + len(paths)]] = 0
        _drop_answered(gains, paths, answered, columns)
        rows, numbers = np.nonzero(gains > best.floor)
        best.add(_Entries(rows + start, numbers, gains[rows, numbers]))
        kept = {}
        for row, at, gain in zip(*_listed(best.found), strict=True):
            one = found.get((row, at))
            if one is None:
                scored = batch[row - start]
                path, column = paths[row - start], int(columns[at])
                one = Candidate(
                    row=row,
                    path=path,
                    file=None if find_picture is None else find_picture(path),
                    column=column,
                    score=float(scored[column]),
                    probability=float(likely[row - start, at]),
                    gain=gain,
                    sketch=(scored @ projection).astype(np.float32),
                )
            kept[row, at] = one
        found = kept
        start += len(paths)
    return list(found.values())


def _listed(entries: _Entries) -> tuple[list[int], list[int], list[float]]:
    return entries.rows.tolist(), entries.columns.tolist(), entries.gains.tolist()


def _drop_answered(
    gains: Doubles, paths: Sequence[str], answered: Mapping[str, frozenset[int]], columns: Numbers
) -> None:
    if not answered:
        return
    for row, path in enumerate(paths):
        if path in answered:
            gains[row, np.isin(columns, list(answered[path]))] = 0


def _judge(batch: Singles, thresholds: Singles, worth: Worth) -> tuple[Doubles, Doubles]:
    """(M, K) probabilities and gains."""
    columns = np.fromiter(worth.classes, np.intp)
    logits = log_odds(batch[:, columns])
    predicted = batch[:, columns] >= thresholds[columns]
    likely, gains = np.empty_like(logits), np.empty_like(logits)
    for at, one in enumerate(worth.classes.values()):
        likely[:, at] = one.probabilities(logits[:, at])
        gains[:, at] = one.gains(likely[:, at], predicted[:, at])
    return likely, gains
