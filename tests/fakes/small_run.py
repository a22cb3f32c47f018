"""Labels and a finished run of three pictures and two classes, written without any training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge.labels.label_stream import iterate_labels
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.run_config import RunConfig
from cdul_edge.training.summary import EpochLine, HeldOut, RunSummary, append_metrics
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.metrics.metrics import evaluate_scores

CLASSES = ClassList(("cat", "<dog>"))
PATHS = ("a.png", "b.png", "c.png")
FIRST = np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.0]], np.float32)
REFINED = np.array([[0.25, 0.25], [0.5, 0.75], [0.5, 0.0]], np.float32)
TRUTH = np.array([[1, 0], [0, 1], [0, 0]], np.int8)


def write_labels(file: Path, root: Path, scores: npt.NDArray[np.float32]) -> PseudoLabels:
    labels = PseudoLabels(root, PATHS, CLASSES, scores, np.array([0.5, 0.625], np.float32))
    labels.write(file)
    return labels


def write_run(folder: Path, **changes: Any) -> Path:
    """A run beside its labels (labels.parquet) and its pictures; `changes` are of its summary."""
    for name, color in zip(PATHS, ("red", "green", "blue"), strict=True):
        Image.new("RGB", (40, 30), color).save(folder / name)
    labels, run = folder / "labels.parquet", folder / "run"
    write_labels(labels, folder, FIRST)
    run.mkdir()
    config = RunConfig(
        settings=TrainConfig(),
        labels=str(labels),
        labels_sha256=iterate_labels(labels).sha256(),
        observed_sha256=None,
        observed_from=None,
        labels_from="observed+pseudo",
        pictures=3,
        classes=CLASSES,
    )
    config.write(run)
    lines = [
        EpochLine(1, 0.5, 0.5, 0.25, 0.1, 2.0, 10.0, {}, 50.0, HeldOut(25.0, 20.0, 30.0, 40.0)),
        EpochLine(
            2, 0.375, 0.375, 0.125, 0.0, 2.0, 10.0,
            {"label_change": 0.25, "labels_crossed_up": 0.125},
            62.5, HeldOut(75.0, 50.0, 60.0, 5.0),
        ),
    ]  # fmt: skip
    for line in lines:
        append_metrics(run, line)
    write_labels(run / "pseudo_labels_refined.parquet", folder, REFINED)
    write_labels(run / "heldout_scores.parquet", folder, FIRST)
    thresholds = np.array([0.5, 0.625], np.float32)
    summary = RunSummary(
        run=str(run),
        network="resnet18",
        method="cdul",
        classes=tuple(CLASSES),
        pictures=3,
        epochs=2,
        seconds=4.0,
        images_per_second=10.0,
        last_epoch=lines[-1],
        label_guard=None,
        thresholds=(0.5, None),
        labels_map=(50.0, 62.5),
        val=evaluate_scores(FIRST, TRUTH, CLASSES, thresholds),
    )
    write_json(run / "summary.json", replace(summary, **changes).to_dict())
    return run
