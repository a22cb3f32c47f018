"""The cheap half: from a finished similarity store to pseudo-labels, without CLIP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.aggregation import Aggregation, Snippets
from cdul_edge.labelling.store import part_name, read_part
from cdul_edge.pseudo_labels import PseudoLabels
from cdul_edge_runtime.classes import ClassList
from cdul_edge_runtime.thresholds import hard_prevalence, prevalence_thresholds

EXAMPLES = 3


@dataclass(frozen=True)
class ClassSummary:
    """What the pseudo-labels say of one class.

    `threshold` is None for a class that no picture shows; `examples` are its best pictures.
    """

    name: str
    mean_score: float
    threshold: float | None
    above_threshold: int
    examples: tuple[str, ...]


def aggregate_store(
    folder: Path, parts: int, aggregation: Aggregation, snippets: Snippets
) -> tuple[tuple[str, ...], npt.NDArray[np.float32], tuple[tuple[str, str], ...]]:
    """Scores of every readable picture of a store, part by part.

    Returns:
        N paths, (N, C) scores, and path and reason of the pictures that were skipped.
    """
    paths: list[str] = []
    skipped: list[tuple[str, str]] = []
    scores = []
    for index in range(parts):
        part = read_part(folder / part_name(index), "cosines")
        paths += part.labelled
        skipped += part.skipped
        scores.append(aggregation.scores(part.values, snippets))
    return tuple(paths), np.concatenate(scores), tuple(skipped)


def make_pseudo_labels(
    root: Path,
    paths: tuple[str, ...],
    scores: npt.NDArray[np.float32],
    classes: ClassList,
    provenance: dict[str, Any],
) -> PseudoLabels:
    """Add the thresholds that predict each class as often as its scores reach 0.5."""
    thresholds = prevalence_thresholds(scores, hard_prevalence(scores))
    return PseudoLabels(root, paths, classes, scores, thresholds, provenance)


def summarise_classes(labels: PseudoLabels) -> tuple[ClassSummary, ...]:
    """One row a class, in column order."""
    rows = []
    for column, name in enumerate(labels.classes):
        scores, threshold = labels.scores[:, column], labels.thresholds[column]
        above = scores >= threshold
        best = np.argsort(-scores, kind="stable")[:EXAMPLES]
        rows.append(
            ClassSummary(
                name=name,
                mean_score=float(scores.mean(dtype=np.float64)),
                threshold=float(threshold) if np.isfinite(threshold) else None,
                above_threshold=int(above.sum()),
                examples=tuple(labels.paths[i] for i in best if above[i]),
            )
        )
    return tuple(rows)
