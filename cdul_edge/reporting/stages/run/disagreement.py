"""Where a network and the labels that it learned from disagree most."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cdul_edge.labels.label_stream import LabelStream
from cdul_edge.labels.score_stream import ScoreStream, stream_scores
from cdul_edge.reporting.stages.run.top_losses import OF_A_CLASS, SHOWN, find_loss
from cdul_edge.reporting.stages.top_entries import Entry, TopEntries
from cdul_edge_runtime.errors import CdulEdgeError


def find_disagreements(files: Sequence[Path], labels: LabelStream) -> list[Entry]:
    """Of the first predictions of labeled pictures, the opposite decisions with the largest loss.

    Args:
        files: predictions on the page.
        labels: of the run, as it left them.

    Returns:
        At most 4 of a class; the details of each are the score and the label's decision, 1 or 0.
        Empty where no predictions begin with a labeled picture, in the order of the labels.
    """
    for file in files:
        try:
            scores = stream_scores(file)
        except CdulEdgeError:
            continue  # its own section says what is wrong with it
        if isinstance(labels.root, Path) and list(scores.classes) == list(labels.classes):
            found = _compare(scores, labels, labels.root)
            if found:
                return found
    return []


def _compare(scores: ScoreStream, labels: LabelStream, root: Path) -> list[Entry]:
    """Both in one order, as a folder is listed: what only one of them names is passed over."""
    top = TopEntries(len(labels.classes), OF_A_CLASS, details=2)
    rows_of_labels = (
        (path, row)
        for rows in labels.read(("path", "scores"))
        for path, row in zip(rows.paths, rows.scores, strict=True)
    )
    label = next(rows_of_labels, None)
    base = root.resolve()
    for rows in scores:
        paths: list[str] = []
        places: list[int] = []
        targets = []
        for place, path in enumerate(rows.paths):
            name = os.path.relpath(scores.root / path if scores.root else path, base)
            while label is not None and label[0] < name:
                label = next(rows_of_labels, None)
            if label is not None and label[0] == name:
                paths.append(name)
                places.append(place)
                targets.append(label[1] >= labels.thresholds)
        if not paths:
            continue
        there = np.stack(targets)
        given, likely = rows.decided[places], rows.scores[places]
        loss = np.where(given != there, find_loss(likely, there), -np.inf)
        top.add(paths, loss, likely, there.astype(np.float32))
    return top.best(SHOWN)
