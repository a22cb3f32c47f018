"""From pseudo-labels to a finished run: the work of `cdul-edge train`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training import run_folder
from cdul_edge.training.attention.second_look import EndedEpoch, SecondLook, prepare_second_look
from cdul_edge.training.checkpoint import Checkpoint, write_tensors
from cdul_edge.training.data.dataset import locate_pictures, open_pictures
from cdul_edge.training.evaluation import Yardstick, open_yardstick, score
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import make_method
from cdul_edge.training.networks.heads import start_undecided
from cdul_edge.training.networks.network import (
    NetworkPlan,
    create_network,
    rebuild_network,
)
from cdul_edge.training.precision_trial import try_precisions
from cdul_edge.training.probabilities import UNTOLD, ScoreScale, apply_scale
from cdul_edge.training.request import TrainRequest, TrainResult
from cdul_edge.training.summary import (
    METRICS,
    RunSummary,
    append_metrics,
    keep_metrics,
    read_summary,
)
from cdul_edge.training.supervision import supervise
from cdul_edge.training.task import Task, open_task
from cdul_edge.training.thresholds import Expected
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.bundle.thresholds import prevalence_thresholds
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.folder_lock import lock_folder
from cdul_edge_runtime.host.memory import keep_freed_memory

Floats = npt.NDArray[np.float32]

# Fewer pictures tell less of a distribution than what training on the others does to it: of 64 the
# luck in a stability index is 0.14, and training moved it by less than 0.01.
_ENOUGH_UNSEEN = 1000
_REMEDY = "it could be read when it was labeled; restore it, or label the folder again"


@dataclass(frozen=True)
class _Job:
    """A task with everything that it reads."""

    task: Task
    trainer: Trainer
    plan: NetworkPlan
    yardstick: Yardstick
    second_look: SecondLook | None


def train(request: TrainRequest, console: Console | None = None) -> TrainResult:
    """Train a network on pseudo-labels, or resume a run that was interrupted.

    Raises:
        CdulEdgeError: labels, pictures, weights, settings or a folder that do not fit; another
            process that trains in the folder; a loss that is no longer finite.
    """
    task = open_task(request, console or LibraryConsole())
    out = request.out
    state = task.inspect()
    if state is run_folder.RunState.FINISHED:
        task.console.say(f"{out} is finished: this is what it found; --force trains it again")
        return TrainResult(out, read_summary(out))
    with lock_folder(out, "training in"):
        # Another process may have finished the run, or begun one, before the lock was taken.
        task = task.as_begun()
        state = task.inspect()
        if state is run_folder.RunState.FINISHED:
            return TrainResult(out, read_summary(out))
        with keep_freed_memory() if task.device.type == "cpu" else nullcontext():
            job = _prepare(task, resume=state is run_folder.RunState.STARTED)
            while job.trainer.epoch < job.task.config.epochs:
                _train_epoch(job)
            return TrainResult(out, _finish(job))


def _prepare(task: Task, *, resume: bool) -> _Job:
    """Read everything first, so that bad input leaves the run folder as it was."""
    request, config, labels = task.request, task.config, task.labels
    torch.manual_seed(config.seed)
    method = make_method(config, supervise(config, labels, task.observed))
    checkpoint = Checkpoint.find(request.out, labels.classes) if resume else None
    network, plan = _make_network(task, checkpoint, undecided=method.undecided)
    located = locate_pictures(labels.root, labels.paths)
    done = checkpoint.epoch if checkpoint else 0
    look = prepare_second_look(method, request.clip, network, config, located, done=done)
    scratch = request.data.cache_folder or request.out / run_folder.CACHE
    yardstick = open_yardstick(
        request.evaluation, labels, plan.preprocess, request.data, scratch=scratch
    )
    with task.console.progress("reading pictures", len(located)) as tick:
        pictures = open_pictures(
            located, plan.preprocess, request.data, scratch=scratch, remedy=_REMEDY, tick=tick
        )
    if config.precision == "auto":
        trial = try_precisions(network, plan.preprocess, config, pictures=len(located))
        task.console.say(trial.describe())
        task = task.with_precision(trial.choice)
    trainer = Trainer(
        network, method, pictures,
        preprocess=plan.preprocess, config=task.config, device=task.device,
    )  # fmt: skip
    if checkpoint:
        trainer.load_state(checkpoint)
        keep_metrics(request.out, trainer.epoch)
        run_folder.go_on(request.out, task.console)
        task.console.say(f"resuming after epoch {trainer.epoch} of {config.epochs}")
    else:
        run_folder.begin(request.out, task.about)
    return _Job(task, trainer, plan, yardstick, look)


def _make_network(
    task: Task, checkpoint: Checkpoint | None, *, undecided: bool
) -> tuple[nn.Module, NetworkPlan]:
    classes = len(task.labels.classes)
    if checkpoint:
        plan = checkpoint.read_plan(task.request.out)
        return rebuild_network(plan, classes), plan
    network, plan = create_network(task.config, classes, task.console)
    if undecided:
        start_undecided(network)
    return network, plan


def _train_epoch(job: _Job) -> None:
    task, trainer = job.task, job.trainer
    console, out = task.console, task.request.out
    epoch, epochs = trainer.epoch + 1, task.config.epochs
    with console.progress(f"epoch {epoch}/{epochs}", len(trainer.shown)) as tick:
        line = trainer.train_epoch(tick)
    ended = EndedEpoch(trainer, job.second_look, console)
    line = replace(line, revision=trainer.method.after_epoch(epoch, ended))
    if task.request.evaluation.every_epoch:
        line = replace(
            line,
            labels_map=job.yardstick.labels_map(trainer.method.targets.numpy()),
            val=job.yardstick.held_out_line(trainer.predict),
        )
    append_metrics(out, line)
    if epoch == 1 and task.request.resumable:
        write_tensors(out / run_folder.FIRST_EPOCH, trainer.result.state_dict())
    if epoch == epochs or task.request.resumable:
        _checkpoint(job).write(out)
    console.say(line.describe(epochs))
    if line.label_guard:
        console.warn(line.label_guard)


def _checkpoint(job: _Job, scale: ScoreScale | None = None) -> Checkpoint:
    return job.trainer.checkpoint(
        scale=scale,
        classes=list(job.task.labels.classes),
        plan=job.plan.to_dict(),
        settings=job.task.config.to_dict(),
        labels_sha256=job.task.about.labels_sha256,
    )


def _finish(job: _Job) -> RunSummary:
    """Thresholds from the network's own scores, the last measurements, and the files of the end."""
    task, trainer, yardstick = job.task, job.trainer, job.yardstick
    labels, targets = task.labels, trainer.method.targets.numpy()
    predict = partial(trainer.predict, exact=True)
    known = trainer.method.supervision
    logits, expected = predict(trainer.pictures), Expected.of(labels, known)
    thresholds = expected.thresholds(score(logits))
    scale = trainer.find_scale(logits)
    if scale is not None:
        thresholds, logits = scale.thresholds(thresholds), scale.logits(logits)
    _take_up(job, scale)
    scored = yardstick.score_held_out(predict, thresholds)
    started = known.targets.numpy() if known.observed_only else labels.scores
    first, last = yardstick.labels_map(started), yardstick.labels_map(targets)
    lines = keep_metrics(task.request.out, trainer.epoch)
    if not lines:
        raise CdulEdgeError(
            f"{task.request.out / METRICS} is gone, and with it what the epochs measured: restore "
            "it, or train again with --force"
        )
    summary = RunSummary(
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
    reference = choose_score_reference(logits, thresholds, labels.classes, trainer.set_aside)
    run_folder.finish(task.request.out, _refined(job, expected), scored, reference, summary)
    return summary


def _take_up(job: _Job, scale: ScoreScale | None) -> None:
    """Put the scale into the network, and say so where none was found."""
    if scale is not None:
        _checkpoint(job, scale).write(job.task.request.out)
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


def _refined(job: _Job, expected: Expected) -> PseudoLabels:
    """The labels as the method left them."""
    task, targets = job.task, job.trainer.method.targets.numpy()
    return replace(
        task.labels,
        root=task.labels.root.resolve(),
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
