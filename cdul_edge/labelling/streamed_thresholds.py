"""Thresholds of more scores than memory holds: the rules of `bundle.thresholds`, streamed.

A score of [0, 1] is taken by its 30 bits, which rank as floats do. A histogram of the first bits
says among which scores a class's threshold lies; two more passes over the scores that were written
narrow that down to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Doubles, Ints, Singles, split_rows
from cdul_edge_runtime.bundle.thresholds import DEFAULT_RULE, UNLABELED_RULES

HALF = 0.5
NEVER = np.iinfo(np.int64).max  # above the bits of every score
# (bits that a bin leaves open, bins): 1.0 has the bits 0x3F800000. A window is two bins of the one
# before, because a border between groups lies between two.
_LEVELS = ((19, 2048), (9, 2048), (0, 1024))
_VALUES = 1 << 19  # looked at together

ReadScores = Callable[[], Iterable[Singles]]


@dataclass(frozen=True)
class Reached:
    """Of C classes: (C,) float32 thresholds, and (C,) how many pictures reach them."""

    thresholds: Singles
    above: Ints


class StreamedThresholds(Protocol):
    """Takes scores as they are made, and looks at them again where that is needed."""

    def add(self, scores: Singles) -> None:
        """Take (M, C) more, in [0, 1]."""

    def finish(self, again: ReadScores) -> Reached:
        """The thresholds of all that were added; `again` reads the same scores from the start."""


def open_thresholds(rule: str, classes: int, shares: Doubles | None) -> StreamedThresholds:
    """Begin thresholds by a rule.

    They are those of `unlabeled_thresholds` and `prevalence_thresholds`. Where two thresholds have
    the same expected F1 but for rounding, it may be the other one. Otsu's border is sought in the
    two of 2,032 bins (a sixteenth of an octave wide) between which the variance is least.

    Args:
        rule: one of `UNLABELED_RULES`; no matter where there are shares.
        classes: C.
        shares: (C,) of the pictures that shall reach the threshold, in [0, 1]; or None.
    """
    if shares is not None:
        return _Narrowed(classes, _Ranked(shares))
    if rule in (DEFAULT_RULE, "fixed"):
        return _Halves(classes, fixed=rule == "fixed")
    choices: dict[str, _Choice] = {
        "soft-prevalence": _Ranked(None),
        "expected-f1": _ExpectedF1(),
        "otsu": _Otsu(),
    }
    assert rule in UNLABELED_RULES, rule
    return _Narrowed(classes, choices[rule])


class RowSums:
    """Sums over rows, to the bit as if all rows had been added at once."""

    def __init__(self, classes: int) -> None:
        self.total: Doubles = np.zeros(classes)
        self.rows = 0

    def add(self, scores: Singles) -> None:
        """Take (M, C) more."""
        for piece in _pieces(scores):
            self.total = np.vstack([self.total, piece.astype(np.float64)]).sum(axis=0)
        self.rows += len(scores)


class _Halves:
    """What reaches 0.5, whose lowest score is the threshold that predicts a class as often."""

    def __init__(self, classes: int, *, fixed: bool) -> None:
        self._fixed = fixed
        self._least = np.full(classes, np.inf, np.float32)
        self._above = np.zeros(classes, np.int64)

    def add(self, scores: Singles) -> None:
        high = scores >= HALF
        self._above += high.sum(axis=0)
        if len(scores):
            reached = np.where(high, scores, np.float32(np.inf)).min(axis=0)
            self._least = np.minimum(self._least, reached)

    def finish(self, again: ReadScores) -> Reached:
        thresholds = np.full_like(self._least, HALF) if self._fixed else self._least
        return Reached(thresholds, self._above)


class _Choice(Protocol):
    """A rule, as a choice among bins."""

    def bins(self, seen: _Seen) -> Ints:
        """(C,) the bin of each class to look into; -1 for a class that is never predicted."""

    def lower(self) -> int:
        """How many bins before that one the next window begins."""

    def bits(self, window: _Window, bins: Ints) -> Ints:
        """(C,) bits of the thresholds, once a bin is one score."""


class _Narrowed:
    """Three histograms, each of what one or two bins of the one before held."""

    def __init__(self, classes: int, choice: _Choice) -> None:
        self._choice, self._sums = choice, RowSums(classes)
        self._window = _Window(np.zeros(classes, np.int64), *_LEVELS[0])

    def add(self, scores: Singles) -> None:
        self._sums.add(scores)
        self._window.add(scores)

    def finish(self, again: ReadScores) -> Reached:
        window, choice = self._window, self._choice
        chosen = choice.bins(_Seen(window, self._sums))
        for shift, bins in _LEVELS[1:]:
            start = window.start + (np.maximum(chosen - choice.lower(), 0) << window.shift)
            window = _Window(start, shift, bins)
            for scores in again():
                window.add(scores)
            chosen = choice.bins(_Seen(window, self._sums))
        bits = np.where(chosen < 0, NEVER, choice.bits(window, np.maximum(chosen, 0)))
        known = bits < NEVER
        values = np.where(known, bits, 0).astype(np.uint32).view(np.float32)
        thresholds = np.where(known, values, np.float32(np.inf))
        return Reached(thresholds, np.where(known, window.count_from(bits), 0))


class _Window:
    """Counts and sums of the scores from `start` on, in bins of 2 ** shift neighboring floats.

    Attributes:
        start: (C,) bits of the first score.
        counts, sums: (C, B) of each bin.
        beyond, sum_beyond: (C,) of the scores above the last bin.
        least_beyond: (C,) bits of the least of those, or `NEVER`.
    """

    def __init__(self, start: Ints, shift: int, bins: int) -> None:
        self.start, self.shift = start, shift
        self.counts = np.zeros((len(start), bins), np.int64)
        self.sums = np.zeros((len(start), bins))
        self.beyond = np.zeros(len(start), np.int64)
        self.sum_beyond = np.zeros(len(start))
        self.least_beyond = np.full(len(start), NEVER)

    @property
    def edges(self) -> Doubles:
        """(C, B) the lowest score of each bin."""
        bits = self.start[:, None] + (np.arange(self.counts.shape[1]) << self.shift)
        return bits.astype(np.uint32).view(np.float32).astype(np.float64)

    def add(self, scores: Singles) -> None:
        """Take (M, C) more."""
        bins = self.counts.shape[1]
        first = np.arange(len(self.start)) * bins
        for piece in _pieces(scores):
            # + 0.0 makes 0.0 of -0.0, whose bits would be the largest
            bits = (piece + np.float32(0)).view(np.uint32).astype(np.int64)
            places = (bits - self.start) >> self.shift
            above = places >= bins
            inside = (places >= 0) & ~above
            flat = (places + first)[inside]
            size = self.counts.size
            self.counts += np.bincount(flat, minlength=size).reshape(self.counts.shape)
            weights = piece[inside].astype(np.float64)
            self.sums += np.bincount(flat, weights, size).reshape(self.counts.shape)
            self.beyond += above.sum(axis=0)
            self.sum_beyond += np.where(above, piece, 0).sum(axis=0, dtype=np.float64)
            self.least_beyond = np.minimum(
                self.least_beyond, np.where(above, bits, NEVER).min(axis=0)
            )

    def count_from(self, bits: Ints) -> Ints:
        """(C,) how many scores have these bits or more; a bin must be one score."""
        places = np.clip(bits - self.start, 0, self.counts.shape[1])
        tail = np.pad(self.counts[:, ::-1].cumsum(axis=1)[:, ::-1], ((0, 0), (0, 1)))
        within: Ints = np.take_along_axis(tail, places[:, None], axis=1)[:, 0]
        return self.beyond + within


class _Seen:
    """What a window tells of the scores from each of its bins upwards.

    Attributes:
        window: of which class and bin.
        total: (C,) sum of all scores, and `pictures`, how many each class has.
        count, sum: (C, B) of the scores that are in a bin or above it.
    """

    def __init__(self, window: _Window, sums: RowSums) -> None:
        self.window, self.total, self.pictures = window, sums.total, sums.rows
        upward = window.counts[:, ::-1].cumsum(axis=1)[:, ::-1]
        self.count: Ints = upward + window.beyond[:, None]
        self.sum: Doubles = (
            window.sums[:, ::-1].cumsum(axis=1)[:, ::-1] + window.sum_beyond[:, None]
        )


@dataclass(frozen=True)
class _Ranked:
    """The n-th largest score, where n is a share of the pictures; None takes the mean score."""

    shares: Doubles | None

    def bins(self, seen: _Seen) -> Ints:
        pictures = max(seen.pictures, 1)
        share = seen.total / pictures if self.shares is None else self.shares
        # The rounding guards ceil() as in `prevalence_thresholds`.
        wanted = np.ceil(np.round(share * seen.pictures, 6)).astype(np.int64)
        return np.where(wanted > 0, _last_true(seen.count >= wanted[:, None]), -1)

    def lower(self) -> int:
        return 0

    def bits(self, window: _Window, bins: Ints) -> Ints:
        return window.start + bins


class _ExpectedF1:
    """The largest expected F1.

    F1 = 2 S(t) / (n(t) + S) of the n(t) scores above t with the sum S(t), S of all. A score q more
    raises it where 2 q > F1 (Lipton et al. 2014, theorem 1), so the best threshold is the least
    score above the t at which S(t) - t n(t) = t S; the left side less the right falls with t.
    """

    def bins(self, seen: _Seen) -> Ints:
        edges = seen.window.edges
        gain = seen.sum - edges * seen.count - edges * seen.total[:, None]
        return np.where(seen.total > 0, np.maximum(_last_true(gain >= 0), 0), -1)

    def lower(self) -> int:
        return 0

    def bits(self, window: _Window, bins: Ints) -> Ints:
        later = np.arange(window.counts.shape[1]) > bins[:, None]
        candidates = later & (window.counts > 0)
        found = candidates.argmax(axis=1)
        return np.where(candidates.any(axis=1), window.start + found, window.least_beyond)


class _Otsu:
    """The border that leaves the least variance within both groups, as `otsu_thresholds`."""

    def bins(self, seen: _Seen) -> Ints:
        pictures = max(seen.pictures, 1)
        filled = seen.window.counts > 0
        borders = filled & (seen.count < seen.pictures)
        share = np.where(borders, seen.count / pictures, HALF)
        mean = seen.total[:, None] / pictures
        between = (mean * share - seen.sum / pictures) ** 2 / (share * (1 - share))
        ranked = np.where(borders, between, -1.0)
        best = ranked.shape[1] - 1 - ranked[:, ::-1].argmax(axis=1)  # the highest of equals
        # where all scores are in one bin, the border may be inside
        alone: Ints = filled.argmax(axis=1)
        if seen.window.shift == 0:
            alone = np.full_like(alone, -1)
        chosen: Ints = np.where(borders.any(axis=1), best, alone)
        return chosen

    def lower(self) -> int:
        return 1

    def bits(self, window: _Window, bins: Ints) -> Ints:
        return window.start + bins


def _last_true(flags: npt.NDArray[np.bool_]) -> Ints:
    """(C, B) -> (C,) place of each row's last True, or -1."""
    last: Ints = flags.shape[1] - 1 - flags[:, ::-1].argmax(axis=1)
    return np.where(flags.any(axis=1), last, -1)


def _pieces(scores: Singles) -> Iterator[Singles]:
    """Few enough rows that what is computed of them stays small."""
    return (scores[some] for some in split_rows(len(scores), scores.shape[1], _VALUES))
