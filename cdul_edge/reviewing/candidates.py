"""The entries of each class of which an answer is worth most, from scores of any number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.reviewing.pictures import FindPicture
from cdul_edge.reviewing.scores import ReviewedScores, Singles
from cdul_edge.reviewing.usefulness import ClassWorth, Columns
from cdul_edge_runtime.bundle.log_odds import log_odds

Doubles = npt.NDArray[np.float64]

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


@dataclass
class _Best:
    """The best entries of one class so far: at most twice as many as are asked for."""

    most: int
    found: list[Candidate] = field(default_factory=list)
    least: float = 0.0

    def add(self, one: Candidate) -> None:
        self.found.append(one)
        if len(self.found) >= 2 * self.most:
            self.cut()

    def cut(self) -> None:
        self.found.sort(key=lambda one: (-one.gain, one.row))
        del self.found[self.most :]
        if len(self.found) == self.most:
            self.least = self.found[-1].gain


def find_candidates(
    scores: ReviewedScores,
    worth: Mapping[int, ClassWorth],
    most: int,
    find_picture: FindPicture | None,
    answered: Mapping[str, frozenset[int]],
) -> dict[int, list[Candidate]]:
    """One pass over the scores: the best entries of each class, best first.

    Args:
        worth: by column.
        most: entries a class.
        find_picture: the file of a path, or None where it is not there: nobody could answer then.
            Asked only of pictures that would be among the best. None: all pictures count.
        answered: columns by path that need no answer.

    Returns:
        By column; among equals those of earlier rows come first.
    """
    columns = np.fromiter(worth, np.intp)
    projection = np.random.default_rng(0).standard_normal((len(scores.classes), _SKETCH))
    best = {column: _Best(most) for column in worth}
    start = 0
    for paths, batch in scores.batches():
        likely, gains = _judge(batch, scores.thresholds, worth, columns)
        floor = np.array([one.least for one in best.values()])
        looked: dict[int, Path | None] = {}
        for row, at in np.argwhere(gains > floor).tolist():
            column, path = int(columns[at]), paths[row]
            gain = float(gains[row, at])
            if gain <= best[column].least or column in answered.get(path, ()):
                continue
            if find_picture is not None and row not in looked:
                looked[row] = find_picture(path)
            if find_picture is not None and looked[row] is None:
                continue
            best[column].add(
                Candidate(
                    row=start + row,
                    path=path,
                    file=looked.get(row),
                    column=column,
                    score=float(batch[row, column]),
                    probability=float(likely[row, at]),
                    gain=gain,
                    sketch=(batch[row] @ projection).astype(np.float32),
                )
            )
        start += len(paths)
    for one in best.values():
        one.cut()
    return {column: one.found for column, one in best.items()}


def _judge(
    batch: Singles, thresholds: Singles, worth: Mapping[int, ClassWorth], columns: Columns
) -> tuple[Doubles, Doubles]:
    """(M, K) probabilities and gains."""
    logits = log_odds(batch[:, columns])
    predicted = batch[:, columns] >= thresholds[columns]
    likely, gains = np.empty_like(logits), np.empty_like(logits)
    for at, one in enumerate(worth.values()):
        likely[:, at] = one.probabilities(logits[:, at])
        gains[:, at] = one.gains(likely[:, at], predicted[:, at])
    return likely, gains
