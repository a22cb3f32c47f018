"""Drawn worlds labeled by the bundled CLIP: stores on which label-free settings may be chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge.demo.world import paint_world
from cdul_edge.labelling import LabelRequest, Scoring, Views, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth


@dataclass(frozen=True)
class DrawnStore:
    """The similarities of one painted set, and its truth.

    Attributes:
        folder: holds `world/` and the stores.
        views: the snippets; another grid is another store.
        truth: (N, C) int8 of the pictures in order.
    """

    folder: Path
    views: Views = field(default_factory=Views)

    def label(self, scoring: Scoring) -> PseudoLabels:
        """Score, with CLIP where the store is not there yet."""
        label(
            LabelRequest(
                images=self.folder / "world" / "train",
                classes=self.folder / "world" / "classes.txt",
                out=self.store,
                clip="demo",
                views=self.views,
                scoring=scoring,
                device="cpu",
            ),
            SilentConsole(),
        )
        return PseudoLabels.read(self.store)

    @property
    def store(self) -> Path:
        rows, columns, overlap = self.views.rows, self.views.columns, self.views.overlap
        return self.folder / f"labels-{rows}x{columns}-{overlap:g}"

    @property
    def truth_file(self) -> Path:
        return self.folder / "world" / "train_truth.csv"


def paint_sets(folder: Path, pictures: int, seeds: int) -> list[Path]:
    """Paint `seeds` sets of pictures; returns the folder of each."""
    folders = [folder / f"seed-{seed}" for seed in range(seeds)]
    for seed, one in enumerate(folders):
        paint_world(one / "world", train=pictures, heldout=1, seed=seed)
    return folders


def judge(labels: PseudoLabels, truth_file: Path) -> dict[str, float]:
    """What pseudo-labels are worth at their own thresholds; percent."""
    truth = read_truth(truth_file).for_paths(labels.paths, labels.classes)
    return judge_scores(labels.scores, truth, labels)


def judge_scores(
    scores: npt.NDArray[Any], truth: npt.NDArray[np.int8], labels: PseudoLabels
) -> dict[str, float]:
    """The same of other scores than the labels' own."""
    report = evaluate_scores(scores, truth, labels.classes, labels.thresholds)
    names = ("map", "macro_f1", "ece", "brier")
    return {name: round(float(getattr(report, name)), 2) for name in names}


def mean_of(found: list[dict[str, float]]) -> dict[str, float]:
    """Means over seeds, and the seeds' mAP."""
    means = {name: round(float(np.mean([one[name] for one in found])), 2) for name in found[0]}
    return {**means, "map_of_seeds": [one["map"] for one in found]}  # type: ignore[dict-item]
