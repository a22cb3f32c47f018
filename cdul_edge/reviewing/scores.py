"""The scores that a review is about, batch by batch: pseudo-labels, or predictions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.scored_pictures import ScoredPictures, read_scored_pictures
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.metrics.doubt import LABELS_DOUBT, PREDICTIONS_DOUBT, Doubt
from cdul_edge_runtime.metrics.matching import name_stem

if TYPE_CHECKING:
    from cdul_edge.labels.label_stream import LabelStream

Singles = npt.NDArray[np.float32]
Batches = Iterator[tuple[tuple[str, ...], Singles]]

_PREDICTIONS = (".jsonl", ".csv")
_BATCH = 4096  # predictions of a batch
_PROBABLE = "evidence"  # the one strategy of which the scores are meant as probabilities


@dataclass(frozen=True)
class ReviewedScores:
    """Scores of N pictures, read again at each pass.

    Attributes:
        classes: names of the C columns.
        thresholds: (C,) float32; a score at or above it counts as predicted.
        count: N.
        root: the folder that paths are relative to, where it is known.
        doubt: how far the scores may be from probabilities; None where they are none.
        batches: gives paths and (M, C) scores in [0, 1], in the same order each time.
    """

    classes: ClassList
    thresholds: Singles
    count: int
    root: Location | None
    doubt: Doubt | None
    batches: Callable[[], Batches]

    def paths(self, stems: Collection[str] | None = None) -> dict[str, int]:
        """The row of each path: of all, or of those whose stems are among these."""
        rows = enumerate(path for paths, _ in self.batches() for path in paths)
        return {path: row for row, path in rows if stems is None or name_stem(path) in stems}


def open_scores(where: Location) -> ReviewedScores:
    """Open a labels folder, a file of pseudo-labels, or predictions (.jsonl, .csv).

    Pseudo-labels are streamed, whatever their number; predictions are held in memory.

    Raises:
        CdulEdgeError: nothing there, unfinished, damaged, or scores outside [0, 1].
        MissingExtraError: pseudo-labels, where pyarrow is not installed.
    """
    if isinstance(where, Path) and where.suffix.lower() in _PREDICTIONS and not where.is_dir():
        return _of_predictions(where, read_scored_pictures(where))
    with extra_imports("train", "reading pseudo-labels"):
        from cdul_edge.labels.label_stream import iterate_labels
    stream = iterate_labels(where)
    return ReviewedScores(
        classes=stream.classes,
        thresholds=stream.thresholds,
        count=stream.count,
        root=stream.root,
        doubt=_doubt_of(stream),
        batches=lambda: _read(stream),
    )


def _read(stream: LabelStream) -> Batches:
    for rows in stream.read(("path", "scores")):
        yield tuple(rows.paths), rows.scores


def _doubt_of(stream: LabelStream) -> Doubt | None:
    """Of a network's scores, of those of `evidence`, and of the other strategies'."""
    from cdul_edge.labels.pseudo_labels import SCORES_OF_NETWORK

    if stream.provenance.get("scores_of") == SCORES_OF_NETWORK:
        return PREDICTIONS_DOUBT
    return LABELS_DOUBT if stream.strategy == _PROBABLE else None


def _of_predictions(where: Path, found: ScoredPictures) -> ReviewedScores:
    if not ((found.scores >= 0) & (found.scores <= 1)).all():
        raise CdulEdgeError(
            f"{where} holds scores outside [0, 1]: give what `label` or `predict` wrote"
        )

    def batches() -> Batches:
        for start in range(0, len(found.paths), _BATCH):
            stop = start + _BATCH
            yield found.paths[start:stop], found.scores[start:stop]

    return ReviewedScores(
        classes=found.classes,
        thresholds=found.thresholds,
        count=len(found.paths),
        root=found.root,
        doubt=PREDICTIONS_DOUBT,
        batches=batches,
    )
