"""Where a network is most wrong: entries with the largest loss against truth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.label_stream import LabelStream
from cdul_edge.reporting.stages.top_entries import Entry, TopEntries
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.metrics.metrics import Truth
from cdul_edge_runtime.metrics.truth import read_truth

SHOWN = 24
OF_A_CLASS = 4
_SURE = 1e-6  # a score of 0 or 1 has no finite loss


@dataclass(frozen=True)
class TopLoss:
    """An entry on which the network is wrong.

    Attributes:
        picture: its path; `thumbnail` is its name in the page, None where it cannot be shown.
        label: the class.
        score: of the network, in [0, 1].
        truth: 1 present, 0 absent.
        loss: binary cross-entropy of the two, in nats.
    """

    picture: str
    label: str
    score: float
    truth: int
    loss: float
    thumbnail: str | None


def find_truth(files: Sequence[Path], scores: LabelStream) -> Truth | None:
    """(N, C) what the first of the files that knows these pictures says; None where none does."""
    paths = [path for rows in scores.read(("path",)) for path in rows.paths]
    root = scores.root if isinstance(scores.root, Path) else None
    for file in files:
        with warnings.catch_warnings(), suppress(CdulEdgeError, OSError):
            warnings.simplefilter("ignore", CdulEdgeWarning)
            # truth of other pictures or classes raises, and the next may be of these
            return read_truth(file).for_paths(paths, scores.classes, root)
    return None


def find_losses(scores: LabelStream, truth: Truth) -> list[Entry]:
    """The wrong decisions with the largest loss, at most 4 of a class.

    Args:
        scores: of N pictures and C classes.
        truth: (N, C), -1 unknown.

    Returns:
        The largest first; the details of each are its score and its truth.
    """
    top, done = TopEntries(len(scores.classes), OF_A_CLASS, details=2), 0
    for rows in scores.read(("path", "scores")):
        known = truth[done : done + len(rows.paths)]
        done += len(rows.paths)
        loss = find_loss(rows.scores, known == 1)
        wrong = (rows.scores >= scores.thresholds) != (known == 1)
        top.add(
            rows.paths,
            np.where((known >= 0) & wrong, loss, -np.inf),
            rows.scores,
            known.astype(np.float32),
        )
    return top.best(SHOWN)


def find_loss(
    scores: npt.NDArray[np.float32], there: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Binary cross-entropy of scores and truth in nats, elementwise; finite for 0 and 1 too."""
    likely = np.clip(scores.astype(np.float64), _SURE, 1 - _SURE)
    return np.asarray(-np.log(np.where(there, likely, 1 - likely)))
