"""A trial of the ways to encode: which is fastest here, of those that say what float32 says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from cdul_edge.labelling.arrays import Floats, Pixels

# Views that name the same class as the first candidate, at least so many of them.
LEAST_AGREEMENT = 0.995
# A candidate must be so much faster than the first: less is the clock's noise.
LEAST_GAIN = 1.05
SECONDS = 1.0


@dataclass(frozen=True)
class Candidate:
    """One way to encode.

    Attributes:
        name: as it is printed and chosen, such as "bf16".
        embed: unit vectors (M, V, D) of each batch (M, V, S, S, 3) uint8; as many batches at a time
            as labeling would, and the same way.
    """

    name: str
    embed: Callable[[Sequence[Pixels]], Sequence[Floats]]


@dataclass(frozen=True)
class TrialRow:
    """What the trial measured of a candidate.

    Attributes:
        views_per_s: the median over the rounds.
        agreement: share of the vectors that are nearest to the same text as the first candidate's.
    """

    name: str
    views_per_s: float
    agreement: float


@dataclass(frozen=True)
class Trial:
    """The rows, the first candidate's first, and the name of the one to use."""

    rows: tuple[TrialRow, ...]
    views: int

    @property
    def chosen(self) -> str:
        """The fastest of those that agree with the first, or the first."""
        first, *others = self.rows
        able = [
            row
            for row in others
            if row.agreement >= LEAST_AGREEMENT
            and row.views_per_s >= LEAST_GAIN * first.views_per_s
        ]
        return max(able, key=lambda row: row.views_per_s, default=first).name

    def __str__(self) -> str:
        first, *others = self.rows
        told = [f"{first.name} {_show_speed(first)}"]
        told += [
            f"{row.name} {_show_speed(row)}, naming the same class in {100 * row.agreement:.1f} %"
            for row in others
        ]
        return f"tried on {self.views} views: {'; '.join(told)}: {self.chosen} is used"


def run_trial(
    candidates: Sequence[Candidate],
    batches: Sequence[Pixels],
    texts: Floats,
    seconds: float = SECONDS,
) -> Trial:
    """Encode the same batches with every candidate in turn, round after round.

    Args:
        candidates: the first is what the others must agree with.
        batches: views (M, V, S, S, 3) uint8, as many batches as are encoded side by side.
        texts: (C, D) unit vectors of the classes.
        seconds: rounds are begun until then; the first round, which is not timed, comes on top.
    """
    named = [_nearest(candidate.embed(batches), texts) for candidate in candidates]
    taken: list[list[float]] = [[] for _ in candidates]
    end = perf_counter() + seconds
    while not taken[0] or perf_counter() < end:
        for candidate, times in zip(candidates, taken, strict=True):
            start = perf_counter()
            candidate.embed(batches)
            times.append(perf_counter() - start)
    views = sum(batch.shape[0] * batch.shape[1] for batch in batches)
    rows = [
        TrialRow(
            candidate.name, views / float(np.median(times)), float((classes == named[0]).mean())
        )
        for candidate, times, classes in zip(candidates, taken, named, strict=True)
    ]
    return Trial(tuple(rows), views)


def _show_speed(row: TrialRow) -> str:
    """Three digits, and never an exponent."""
    digits = ".0f" if row.views_per_s >= 100 else ".3g"
    return f"{row.views_per_s:{digits}} views/s"


def _nearest(vectors: Sequence[Floats], texts: Floats) -> np.typing.NDArray[np.int64]:
    flat = np.concatenate([found.reshape(-1, texts.shape[1]) for found in vectors])
    nearest: np.typing.NDArray[np.int64] = (flat.astype(np.float32) @ texts.T).argmax(axis=1)
    return nearest
