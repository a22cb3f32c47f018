"""Scores of pictures, whoever made them: pseudo-labels, or predictions of a bundle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.score_stream import UNKNOWN, stream_scores
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

__all__ = ["UNKNOWN", "ScoredPictures", "read_scored_pictures"]


@dataclass(frozen=True)
class ScoredPictures:
    """Scores of N pictures.

    Attributes:
        paths: N paths as the file gives them.
        classes: names of the C columns.
        scores: (N, C) float32, finite.
        thresholds: (C,) float32; a score at or above it counts as predicted.
        root: the folder that relative paths lie in; None where the file does not say.
        labelled_by: of pseudo-labels, the strategy that made them, or `UNKNOWN`; None for
            predictions.
    """

    paths: tuple[str, ...]
    classes: ClassList
    scores: npt.NDArray[np.float32]
    thresholds: npt.NDArray[np.float32]
    root: Path | None = None
    labelled_by: str | None = None


def read_scored_pictures(path: Location) -> ScoredPictures:
    """Read a labels folder, a pseudo-label Parquet file, or predictions as JSON lines or CSV.

    A line of JSON holds `path`, `labels` and `scores` (of every class); its labels are its
    decisions. A CSV holds `image_path` and one column of scores per class; 0.5 decides.

    Raises:
        CdulEdgeError: nothing there, another format, a damaged line (with its number), or a picture
            that is named twice.
    """
    found = _read(path)
    twice = next((one for one, count in Counter(found.paths).items() if count > 1), None)
    if twice is not None:
        raise CdulEdgeError(f"the scores {path} name {twice!r} twice: each picture counts once")
    return found


def _read(path: Location) -> ScoredPictures:
    stream = stream_scores(path)
    paths: list[str] = []
    scores: list[npt.NDArray[np.float32]] = []
    lowest = np.full(len(stream.classes), np.inf, np.float32)
    for rows in stream:
        paths += rows.paths
        scores.append(rows.scores)
        decided = np.where(rows.decided, rows.scores, np.float32(np.inf))
        lowest = np.minimum(lowest, decided.min(axis=0, initial=np.inf))
    if not paths and isinstance(path, Path) and path.suffix.lower() == ".csv":
        raise CdulEdgeError(f"{path} is not a table of predictions: it has a header and no row")
    return ScoredPictures(
        paths=tuple(paths),
        classes=stream.classes,
        scores=np.concatenate(scores) if scores else np.empty((0, len(lowest)), np.float32),
        # Where only labels decide: those that decide alike, each class's lowest score with a label.
        thresholds=lowest if stream.thresholds is None else stream.thresholds,
        root=stream.root,
        labelled_by=stream.labelled_by,
    )
