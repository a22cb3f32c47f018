"""The end of a run: thresholds, last measurements, and its files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import numpy as np
import numpy.typing as npt
import torch

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training import run_folder
from cdul_edge.training.attention.second_look import SecondLook
from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.evaluation import Yardstick, score
from cdul_edge.training.loop import Trainer
from cdul_edge.training.networks.network import (
    NetworkPlan,
)
from cdul_edge.training.probabilities import UNTOLD, ScoreScale, apply_scale
from cdul_edge.training.summary import (
    METRICS,
    RunSummary,
    keep_metrics,
)
from cdul_edge.training.task import Task
from cdul_edge.training.thresholds import Expected
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.bundle.thresholds import prevalence_thresholds
from cdul_edge_runtime.errors import CdulEdgeError

Floats = npt.NDArray[np.float32]

# Fewer pictures tell less of a distribution than what training on the others does to it: of 64 the
# luck in a stability index is 0.14, and training moved it by less than 0.01.
_ENOUGH_UNSEEN = 1000


@dataclass(frozen=True)
class Job:
    """A task with everything that it reads."""

    task: Task
    trainer: Trainer
    plan: NetworkPlan
    yardstick: Yardstick
    second_look: SecondLook | None


def make_checkpoint(job: Job, scale: ScoreScale | None = None) -> Checkpoint:
    """The state after the last whole epoch; `scale` is of a finished run."""
    return job.trainer.checkpoint(
        scale=scale,
        classes=list(job.task.labels.classes),
        plan=job.plan.to_dict(),
        settings=job.task.config.to_dict(),
        labels_sha256=job.task.about.labels_sha256,
    )


def finish(job: Job) -> RunSummary:
    """Thresholds from the network's own scores, the last measurements, and the files of the end."""
    task, trainer, yardstick = job.task, job.trainer, job.yardstick
    predict = partial(trainer.predict, exact=True)
    known = trainer.method.supervision
    logits, expected = predict(trainer.pictures), Expected.of(task.labels, known)
    thresholds = expected.thresholds(score(logits))
    scale = trainer.find_scale(logits)
    if scale is not None:
        thresholds, logits = scale.thresholds(thresholds), scale.logits(logits)
    _take_up(job, scale)
    scored = yardstick.score_held_out(predict, thresholds)
    reference = choose_score_reference(logits, thresholds, task.labels.classes, trainer.set_aside)

    def write() -> RunSummary:
        summary = _summarize(job, logits, thresholds, scale, scored)
        out = task.request.out
        run_folder.finish(out, _refined(job, expected), scored, reference, summary)
        return summary

    return task.ranks.lead(write)


def _summarize(
    job: Job,
    logits: torch.Tensor,
    thresholds: Floats,
    scale: ScoreScale | None,
    scored: PseudoLabels | None,
) -> RunSummary:
    task, trainer, yardstick = job.task, job.trainer, job.yardstick
    labels, targets = task.labels, trainer.method.targets.numpy()
    known = trainer.method.supervision
    started = known.targets.numpy() if known.observed_only else labels.scores
    first, last = yardstick.labels_map(started), yardstick.labels_map(targets)
    lines = keep_metrics(task.request.out, trainer.epoch)
    if not lines:
        raise CdulEdgeError(
            f"{task.request.out / METRICS} is gone, and with it what the epochs measured: restore "
            "it, or train again with --force"
        )
    return RunSummary(
        run=str(task.request.out),
        network=task.config.network,
        method=task.config.method,
        classes=tuple(labels.classes),
        pictures=len(labels.paths),
        epochs=trainer.epoch,
        seconds=sum(line.seconds for line in lines),
        images_per_second=median(line.images_per_second for line in lines),
        last_epoch=lines[-1],
        label_guard=next((line.label_guard for line in lines if line.label_guard), None),
        thresholds=tuple(thresholds_to_json(thresholds)),
        score_slope=None if scale is None else scale.slope,
        labels_from=task.about.labels_from,
        labels_map=None if first is None or last is None else (first, last),
        train=yardstick.on_training_pictures(logits, thresholds),
        val=yardstick.judge_held_out(scored),
    )


def _take_up(job: Job, scale: ScoreScale | None) -> None:
    """Put the scale into the network, and say so where none was found."""
    if scale is not None:
        if job.task.ranks.first:
            make_checkpoint(job, scale).write(job.task.request.out)
        apply_scale(job.trainer.result, scale)
    elif len(job.trainer.set_aside):
        job.task.console.warn(UNTOLD)


def choose_score_reference(
    logits: torch.Tensor, thresholds: Floats, classes: ClassList, unseen: torch.Tensor
) -> ScoreReference:
    """What drift is measured against: pictures that training never showed, where they are many.

    Args:
        logits: (N, C) of all pictures, as the bundle's graph will give them.
        thresholds: (C,) of the run.
        classes: names of the columns.
        unseen: (H,) int64 numbers of the pictures that were set aside.
    """
    if len(unseen) < _ENOUGH_UNSEEN:
        return ScoreReference.of(score(logits), thresholds, classes)
    return ScoreReference.of(score(logits[unseen]), thresholds, classes, "set aside")


def _refined(job: Job, expected: Expected) -> PseudoLabels:
    """The labels as the method left them."""
    task, targets = job.task, job.trainer.method.targets.numpy()
    return replace(
        task.labels,
        root=task.labels.folder.resolve(),
        scores=targets,
        thresholds=prevalence_thresholds(targets, expected.prevalence),
        provenance={
            "program": "cdul-edge",
            "version": __version__,
            "stage": "train",
            "labels_sha256": task.about.labels_sha256,
            "settings": task.config.to_dict(),
        },
    )
