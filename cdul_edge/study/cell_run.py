"""One cell: a training run, and what is kept of it."""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass
from pathlib import Path

import torch

from cdul_edge.labelling.encode.crop_scorer import ClipOfLabels
from cdul_edge.study.cells import Cell
from cdul_edge.study.levels import parse_level
from cdul_edge.study.outcome import Failed, Finished, Outcome
from cdul_edge.training import TrainRequest, train
from cdul_edge.training.checkpoint import FILE_NAME as CHECKPOINT
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.request import DataOptions, EvaluationOptions
from cdul_edge.training.run_folder import FIRST_EPOCH
from cdul_edge.training.summary import RunSummary, read_metrics
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.host.json_record import finite_or_none


@dataclass(frozen=True)
class CellRun:
    """What a worker needs to run one cell.

    Attributes:
        labels, labels_digest: the strategy's pseudo-labels.
        store: the labels folder they come from, whose CLIP some methods look with again.
        folder: of the run; `result` the file that says it is finished.
        train_truth: what observations are drawn from.
        judged_truth, val, val_truth: what is reported against; of the `judged` classes, where there
            are any. There is no `judged_truth` where nothing is known of the training pictures.
        decoded: folder of decoded pictures that all runs share.
        curves: measure after every epoch.
    """

    cell: Cell
    config: TrainConfig
    labels: Path
    labels_digest: str
    store: Path
    folder: Path
    result: Path
    train_truth: Path
    judged_truth: Path | None
    judged: tuple[str, ...] | None
    val: Path
    val_truth: Path
    decoded: Path
    device: str
    threads: int
    keep_run: bool
    curves: bool

    @property
    def request(self) -> TrainRequest:
        """Its training run."""
        return TrainRequest(
            labels=self.labels,
            out=self.folder,
            config=self.config,
            data=DataOptions(cache="disk", workers=self.threads, cache_folder=self.decoded),
            evaluation=EvaluationOptions(
                self.val, self.val_truth, self.judged_truth, every_epoch=self.curves
            ),
            observed=parse_level(self.cell.observed).options(self.train_truth),
            device=self.device,
            clip=ClipOfLabels(self.store),
            resumable=self.curves,
            try_precision=False,
        )


def run_cell(run: CellRun) -> Outcome:
    """Train, write the result, and drop what is not needed any more; an interrupted run resumes.

    What the user can fix is a failed outcome, and no other cell's business.

    Raises:
        OSError: the disk is full, which stops every cell.
    """
    torch.set_num_threads(run.threads)
    try:
        summary = train(run.request, SilentConsole()).summary
    except CdulEdgeError as error:
        return Failed(run.cell, str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return Failed(run.cell, str(error))
    outcome = _describe(run, summary)
    write_json(run.result, outcome.to_dict())
    if not run.keep_run:
        for weights in (CHECKPOINT, FIRST_EPOCH):
            (run.folder / weights).unlink(missing_ok=True)
    return outcome


def _describe(run: CellRun, summary: RunSummary) -> Finished:
    val, train, labels = summary.val, summary.train, summary.labels_map
    assert val is not None  # a study has held-out pictures
    first, last = (math.nan, math.nan) if labels is None else labels
    lines = read_metrics(run.folder)
    return Finished(
        cell=run.cell,
        measures={
            "labels_first_map": finite_or_none(first),
            "labels_last_map": finite_or_none(last),
            "train_map": finite_or_none(math.nan if train is None else train.map),
            "heldout_map": finite_or_none(val.map),
            "heldout_cf1": finite_or_none(val.cf1),
            "heldout_of1": finite_or_none(val.of1),
            "heldout_macro_f1": finite_or_none(val.macro_f1),
            "heldout_ece": finite_or_none(val.ece),
            "seconds": round(summary.seconds, 2),
        },
        ap={
            name: finite_or_none(value)
            for name, value in val.ap.items()
            if run.judged is None or name in run.judged
        },
        curve=tuple(finite_or_none(line.val.map) for line in lines if line.val),
        labels_curve=tuple(
            finite_or_none(line.labels_map) for line in lines if line.labels_map is not None
        ),
        settings=run.config,
        labels_digest=run.labels_digest,
        label_guard=summary.label_guard,
    )
