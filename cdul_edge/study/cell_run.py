"""One cell: a training run, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cdul_edge.labelling.encode.crop_scorer import ClipOfLabels
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.study.cells import Cell
from cdul_edge.study.variants import NOTHING_OBSERVED
from cdul_edge.training.checkpoint import FILE_NAME as CHECKPOINT
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.dataset import DataOptions
from cdul_edge.training.data.observed import simulate
from cdul_edge.training.evaluation import EvaluationOptions
from cdul_edge.training.progress import Talk
from cdul_edge.training.run_folder import FIRST_EPOCH, METRICS
from cdul_edge.training.train import train_student
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.metrics.truth import read_truth

Outcome = dict[str, Any]

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class CellRun:
    """What a worker needs to run one cell.

    Attributes:
        labels, labels_digest: the strategy's pseudo-labels.
        store: the labels folder they come from, whose CLIP some methods look with again.
        folder: of the run; `result` the file that says it is finished.
        train_truth, val, val_truth: what is reported against.
        decoded: folder of decoded pictures that all runs share.
    """

    cell: Cell
    config: TrainConfig
    labels: Path
    labels_digest: str
    store: Path
    folder: Path
    result: Path
    train_truth: Path
    val: Path
    val_truth: Path
    decoded: Path
    device: str
    threads: int
    keep_run: bool


def run_cell(run: CellRun) -> Outcome:
    """Train, write the result, and drop what is not needed any more; a cut run is gone on with.

    What the user can mend is a failed outcome, and no other cell's business.
    """
    torch.set_num_threads(run.threads)
    try:
        summary = _train(run)
    except CdulEdgeError as error:
        return failed(run.cell, str(error))
    outcome = _describe(run, summary)
    write_json(run.result, outcome)
    if not run.keep_run:
        for weights in (CHECKPOINT, FIRST_EPOCH):
            (run.folder / weights).unlink(missing_ok=True)
    return outcome


def failed(cell: Cell, reason: str) -> Outcome:
    """The outcome of a cell that could not be run."""
    return {"cell": cell.to_dict(), "status": FAILED, "reason": reason}


def _train(run: CellRun) -> dict[str, Any]:
    data = DataOptions(cache="disk", workers=run.threads, cache_folder=run.decoded)
    return train_student(
        run.labels,
        run.folder,
        run.config,
        observed=_observe(run),
        data=data,
        evaluation=EvaluationOptions(run.val, run.val_truth, run.train_truth),
        device=run.device,
        clip=ClipOfLabels(run.store),
        talk=Talk(quiet=True),
    )


def _observe(run: CellRun) -> npt.NDArray[np.int8] | None:
    """(N, C) what people saw, drawn from the truth; None where they saw nothing."""
    if run.cell.observed == NOTHING_OBSERVED:
        return None
    labels = PseudoLabels.read(run.labels)
    truth = read_truth(run.train_truth).for_paths(labels.paths, labels.classes)
    return simulate(truth, run.cell.observed, seed=run.cell.seed, paths=labels.paths)


def _describe(run: CellRun, summary: dict[str, Any]) -> Outcome:
    lines = (run.folder / METRICS).read_text(encoding="utf-8").splitlines()
    epochs = [json.loads(line) for line in lines]
    val, labels = summary["val"], summary["pseudo_labels"]
    return {
        "cell": run.cell.to_dict(),
        "status": DONE,
        "labels_first_map": labels["map_first"],
        "labels_last_map": labels["map_last"],
        "train_map": summary["train"]["map"],
        "heldout_map": val["map"],
        "heldout_cf1": val["cf1"],
        "heldout_of1": val["of1"],
        "heldout_macro_f1": val["macro_f1"],
        "heldout_ece": val["ece"],
        "seconds": round(summary["seconds"], 2),
        "ap": val["ap"],
        "curve": [line["val"]["map"] for line in epochs],
        "labels_curve": [line["pseudo_labels"]["map"] for line in epochs],
        "label_guard": summary["label_guard"],
        "settings": run.config.to_dict(),
        "labels_digest": run.labels_digest,
    }
