"""How a network's scores were distributed on its training pictures: what drift is measured against.

A histogram per class in log-odds, fine enough to say how many pictures reach any threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.log_odds import log_odds
from cdul_edge_runtime.errors import BundleError, CdulEdgeError

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Seen = Literal["all", "set aside"]

# Log-odds between the bins: scores below 6e-6 are alike, and those above 1 - 6e-6.
EDGES: Doubles = np.arange(-12, 12 + 1 / 16, 1 / 8)
_END = 16.0  # within the log-odds of 0 and 1, so that all pictures reach a threshold of 0
BINS = len(EDGES) + 1
_ARRAYS = ("classes", "counts", "mean_scores", "thresholds", "prevalence", "seen")


@dataclass(frozen=True, eq=False)
class ScoreReference:
    """Scores of C classes on N pictures, as a histogram.

    Attributes:
        classes: names of the C columns.
        counts: (C, BINS) pictures whose log-odds lie between two `EDGES`, or beyond the outer ones.
        mean_scores: (C,) in [0, 1].
        thresholds: (C,) on scores; +inf means never.
        prevalence: (C,) share of the pictures that reach them, in [0, 1].
        seen: "all" pictures of the training set, or those that were "set aside" and never shown.

    Raises:
        BundleError: arrays that do not fit one another.
    """

    classes: ClassList
    counts: Counts
    mean_scores: Doubles
    thresholds: npt.NDArray[np.float32]
    prevalence: Doubles
    seen: Seen = "all"

    def __post_init__(self) -> None:
        columns = (len(self.classes),)
        shapes = {a.shape for a in (self.mean_scores, self.thresholds, self.prevalence)}
        if self.counts.shape != (*columns, BINS) or shapes != {columns}:
            raise BundleError(
                f"a histogram of {self.counts.shape} with {sorted(shapes)} values a class: "
                f"expected {(*columns, BINS)} for {columns[0]} classes"
            )
        shares = np.concatenate([self.mean_scores, self.prevalence])
        sums = np.unique(self.counts.sum(axis=1))
        if (self.counts < 0).any() or len(sums) != 1 or sums[0] < 1:
            raise BundleError("the classes of a histogram count different pictures, or none")
        if not ((shares >= 0) & (shares <= 1)).all() or np.isnan(self.thresholds).any():
            raise BundleError("a mean score or a share is not between 0 and 1, or a threshold NaN")

    @property
    def pictures(self) -> int:
        """N."""
        return int(self.counts[0].sum())

    @classmethod
    def of(
        cls,
        scores: Floats,
        thresholds: Floats,
        classes: ClassList | Sequence[str],
        seen: Seen = "all",
    ) -> ScoreReference:
        """What a network gave for pictures that stand for all it should meet.

        A program may take its camera's own first hours instead of the training set.

        Args:
            scores: (N, C) in [0, 1], N >= 1.
            thresholds: (C,) on them; +inf means never.

        Raises:
            CdulEdgeError: scores that are NaN or outside [0, 1], or do not fit the classes.
        """
        names = classes if isinstance(classes, ClassList) else ClassList(tuple(classes))
        check_scores(scores, len(names))
        at = np.asarray(thresholds, np.float32)
        scores = np.asarray(scores, np.float32)  # as thresholds are: a score may be its threshold
        return cls(
            classes=names,
            counts=count_bins(find_bins(scores)),
            mean_scores=scores.mean(axis=0, dtype=np.float64),
            thresholds=at,
            prevalence=(scores >= at).mean(axis=0, dtype=np.float64),
            seen=seen,
        )

    def at(self, thresholds: Floats) -> ScoreReference:
        """The same with the share of pictures that reach other (C,) thresholds.

        Where a threshold is another than before, pictures are taken to be spread evenly over the
        log-odds of its bin.
        """
        changed = np.asarray(thresholds, np.float32)
        between = (self.counts * _share_above(changed)).sum(axis=1) / self.pictures
        same = changed == self.thresholds
        prevalence = np.where(same, self.prevalence, np.clip(between, 0, 1))
        return replace(self, thresholds=changed, prevalence=prevalence)

    def write(self, path: Path) -> None:
        """Write an NPZ that loads without pickle; the same values give the same bytes."""
        from cdul_edge_runtime.host.files import atomic_write

        small = np.min_scalar_type(int(self.counts.max()))
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                classes=np.array(list(self.classes), dtype=str),
                counts=self.counts.astype(small),
                mean_scores=self.mean_scores,
                thresholds=self.thresholds,
                prevalence=self.prevalence,
                seen=np.array(self.seen),
            )

    @classmethod
    def read(cls, path: Path, classes: ClassList) -> ScoreReference:
        """Read what `write` wrote for these classes.

        Raises:
            BundleError: it is damaged, or of other classes.
        """
        from cdul_edge_runtime.host.npz import read_npz

        try:
            arrays = read_npz(path, _ARRAYS)
            found, seen = arrays["classes"], str(arrays["seen"])
            if found.tolist() != list(classes):
                raise BundleError("it is of other classes")
            if seen not in get_args(Seen):
                raise BundleError(f"seen is {seen!r}, expected one of {', '.join(get_args(Seen))}")
            if arrays["counts"].dtype.kind != "u":
                raise BundleError(f"counts are {arrays['counts'].dtype}")
            return cls(
                classes=classes,
                counts=arrays["counts"].astype(np.int64),
                mean_scores=arrays["mean_scores"].astype(np.float64),
                thresholds=arrays["thresholds"].astype(np.float32),
                prevalence=arrays["prevalence"].astype(np.float64),
                seen="all" if seen == "all" else "set aside",
            )
        except (CdulEdgeError, ValueError, TypeError) as error:
            raise BundleError(f"{path} is not a readable histogram of scores ({error})") from error


def check_scores(scores: Floats, classes: int) -> None:
    """Raise `CdulEdgeError` unless `scores` are (N, C) in [0, 1] with N >= 1."""
    if scores.ndim != 2 or scores.shape[1] != classes or not len(scores):
        raise CdulEdgeError(f"scores of shape {scores.shape}: expected (N, {classes}) with N >= 1")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise CdulEdgeError("a score is NaN or outside 0 to 1: give scores as `predict` does")


def find_bins(scores: Floats) -> npt.NDArray[np.int64]:
    """(N, C) scores to the number of each one's bin, 0 to BINS - 1."""
    return np.asarray(np.searchsorted(EDGES, log_odds(scores), side="right"), np.int64)


def count_bins(bins: npt.NDArray[np.int64]) -> Counts:
    """(N, C) numbers of bins to (C, BINS) counts."""
    columns = bins.shape[1]
    flat = (bins + BINS * np.arange(columns)).ravel()
    return np.bincount(flat, minlength=columns * BINS).reshape(columns, BINS)


def _share_above(thresholds: Floats) -> Doubles:
    """(C, BINS): which share of each bin's width reaches a class's threshold; +inf reaches none."""
    low = np.concatenate([[-_END], EDGES])
    high = np.concatenate([EDGES, [_END]])
    never = np.isposinf(thresholds)
    at = log_odds(np.where(never, 1.0, thresholds))[:, None]
    share = np.clip((high - at) / (high - low), 0, 1)
    return np.where(never[:, None], 0.0, share)
