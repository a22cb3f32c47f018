"""Decisions that a precision makes otherwise than FP32, so that people can look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.host.json_record import finite_or_none

Scores = npt.NDArray[np.float32]

MOST_FLIPS = 50  # of a row: more would be read by nobody


@dataclass(frozen=True)
class Flip:
    """One decision that clearly differs.

    Attributes:
        picture: its path, relative to the root of the pictures.
        label: the class.
        reference: score of the FP32 file on the CPU, in [0, 1].
        score: that of this precision.
        threshold: what both are held against.

    What is not finite is None, which JSON can hold.
    """

    picture: str
    label: str
    reference: float | None
    score: float | None
    threshold: float | None


def list_flips(
    scores: Scores,
    expected: Scores,
    flipped: npt.NDArray[np.bool_],
    thresholds: Scores,
    *,
    names: tuple[Sequence[str], Sequence[str]],
) -> tuple[Flip, ...]:
    """Those whose score moved most, at most `MOST_FLIPS`, the farthest first.

    Args:
        scores, expected: (M, C) of this precision and of FP32.
        flipped: (M, C) where the decisions clearly differ.
        thresholds: (C,).
        names: M pictures and C classes.
    """
    pictures, classes = names
    rows, columns = np.nonzero(flipped)
    with np.errstate(invalid="ignore"):
        moved = np.abs(scores[rows, columns] - expected[rows, columns])
    # A score that is NaN moved farthest of all.
    order = np.argsort(-np.nan_to_num(moved, nan=np.inf), kind="stable")[:MOST_FLIPS]
    return tuple(
        Flip(
            picture=pictures[row],
            label=classes[column],
            reference=finite_or_none(float(expected[row, column])),
            score=finite_or_none(float(scores[row, column])),
            threshold=finite_or_none(float(thresholds[column])),
        )
        for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    )
