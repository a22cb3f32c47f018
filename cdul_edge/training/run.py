"""From pseudo-labels to a finished run: the work of `cdul-edge train`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from cdul_edge.launcher import find_launch
from cdul_edge.training import run_folder
from cdul_edge.training.agreement import agree
from cdul_edge.training.attention.second_look import EndedEpoch, prepare_second_look
from cdul_edge.training.checkpoint import Checkpoint, write_tensors
from cdul_edge.training.data.dataset import locate_pictures, open_pictures
from cdul_edge.training.evaluation import open_yardstick
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import make_method
from cdul_edge.training.networks.heads import start_undecided
from cdul_edge.training.networks.network import (
    NetworkPlan,
    create_network,
    rebuild_network,
)
from cdul_edge.training.optimization import choose_rank_device
from cdul_edge.training.precision_trial import try_precisions
from cdul_edge.training.ranks import Ranks
from cdul_edge.training.ranks.meeting import open_ranks
from cdul_edge.training.request import TrainRequest, TrainResult
from cdul_edge.training.run_end import Job, finish, make_checkpoint
from cdul_edge.training.summary import (
    RunSummary,
    append_metrics,
    keep_metrics,
    read_metrics,
    read_summary,
)
from cdul_edge.training.supervision import supervise
from cdul_edge.training.task import Task, open_task
from cdul_edge.training.tracking.lane import require_trackers
from cdul_edge.training.tracking.tracker import RunFacts
from cdul_edge.training.tracking.tracking import Tracking, open_tracking
from cdul_edge.training.whole_batch import share_norms
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole, SilentConsole
from cdul_edge_runtime.host.folder_lock import lock_folder
from cdul_edge_runtime.host.memory import keep_freed_memory

_REMEDY = "it could be read when it was labeled; restore it, or label the folder again"


def train(request: TrainRequest, console: Console | None = None) -> TrainResult:
    """Train a network on pseudo-labels, or resume a run that was interrupted.

    Raises:
        CdulEdgeError: labels, pictures, weights, settings or a folder that do not fit; another
            process that trains in the folder; a loss that is no longer finite.
    """
    require_trackers(request.log)
    launch = find_launch()
    device = choose_rank_device(request.device, launch)
    with open_ranks(launch, device) as ranks:
        # Only the first of several processes speaks.
        heard = (console or LibraryConsole()) if ranks.first else SilentConsole()
        return TrainResult(request.out, _train(_open_task(request, heard, device, ranks)))


def _open_task(request: TrainRequest, console: Console, device: torch.device, ranks: Ranks) -> Task:
    task = open_task(request, console, device, ranks)
    if not (request.force and ranks.launch.restarts):
        return task
    # torchrun starts a run again that has lost a process: --force replaced what was there before.
    begun = open_task(replace(request, force=False), SilentConsole(), device, ranks)
    return begun if ranks.lead(partial(_is_begun, begun)) else task


def _is_begun(task: Task) -> bool:
    try:
        return task.inspect() is run_folder.RunState.STARTED
    except CdulEdgeError:
        return False


def _train(task: Task) -> RunSummary:
    out, ranks = task.request.out, task.ranks
    if ranks.lead(task.inspect) is run_folder.RunState.FINISHED:
        task.console.say(f"{out} is finished: this is what it found; --force trains it again")
        return ranks.lead(partial(read_summary, out))
    with lock_folder(out, "training in") if ranks.first else nullcontext():
        # Another process may have finished the run, or begun one, before the lock was taken.
        task = task.as_begun()
        state = ranks.lead(task.inspect)
        if state is run_folder.RunState.FINISHED:
            return ranks.lead(partial(read_summary, out))
        with keep_freed_memory() if task.device.type == "cpu" else nullcontext():
            job = _prepare(task, resume=state is run_folder.RunState.STARTED)
            with _open_tracking(job.task) as tracking:
                while job.trainer.epoch < job.task.config.epochs:
                    _train_epoch(job, tracking)
                summary = finish(job)
                tracking.summarize(summary)
            return summary


def _prepare(task: Task, *, resume: bool) -> Job:
    """Read everything first, so that bad input leaves the run folder as it was."""
    request, config, labels, ranks = task.request, task.config, task.labels, task.ranks
    torch.manual_seed(config.seed)
    method = make_method(config, supervise(config, labels, task.observed))
    find = partial(Checkpoint.find, request.out, labels.classes)
    checkpoint = ranks.lead(find) if resume else None
    make = partial(_make_network, task, checkpoint, undecided=method.undecided)
    network, plan = ranks.in_turn(make)
    network = share_norms(network, ranks, task.device)
    located = locate_pictures(labels.folder, labels.paths)
    done = checkpoint.epoch if checkpoint else 0
    look = prepare_second_look(method, request.clip, network, config, located, done=done)
    scratch = request.data.cache_folder or request.out / run_folder.CACHE
    yardstick = open_yardstick(
        request.evaluation, labels, plan.preprocess, request.data, scratch=scratch, ranks=ranks
    )
    with task.console.progress("reading pictures", len(located)) as tick:
        pictures = open_pictures(
            located, plan.preprocess, request.data, scratch=scratch, remedy=_REMEDY, tick=tick,
            ranks=ranks,
        )  # fmt: skip
    if config.precision == "auto":
        trial = ranks.lead(
            partial(try_precisions, network, plan.preprocess, config, pictures=len(located))
        )
        task.console.say(trial.describe())
        task = task.with_precision(trial.choice)
    trainer = Trainer(
        network, method, pictures,
        preprocess=plan.preprocess, config=task.config, device=task.device, ranks=ranks,
    )  # fmt: skip
    if checkpoint:
        trainer.load_state(checkpoint)
    if ranks.first:
        _begin(task, checkpoint)
    return Job(task, trainer, plan, yardstick, look)


def _begin(task: Task, checkpoint: Checkpoint | None) -> None:
    """Get the run folder ready for the next epoch."""
    out = task.request.out
    if checkpoint is None:
        run_folder.begin(out, task.about)
        return
    keep_metrics(out, checkpoint.epoch)
    run_folder.go_on(out, task.console)
    task.console.say(f"resuming after epoch {checkpoint.epoch} of {task.config.epochs}")


def _open_tracking(task: Task) -> AbstractContextManager[Tracking]:
    """Trackers of the first rank, which are told of the epochs before a resumed one, too."""
    out = task.request.out
    names = tuple(dict.fromkeys(task.request.log)) if task.ranks.first else ()
    earlier = read_metrics(out) if names else []
    return open_tracking(names, RunFacts.of(out, task.about), earlier, task.console)


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


def _train_epoch(job: Job, tracking: Tracking) -> None:
    task, trainer = job.task, job.trainer
    console, out = task.console, task.request.out
    epoch, epochs = trainer.epoch + 1, task.config.epochs
    with console.progress(f"epoch {epoch}/{epochs}", len(trainer.shown)) as tick:
        line = trainer.train_epoch(tick)
    ended = EndedEpoch(trainer, job.second_look, console)
    line = replace(line, revision=trainer.method.after_epoch(epoch, ended))
    agree(trainer.method, task.ranks)
    if task.request.evaluation.every_epoch:
        line = replace(
            line,
            labels_map=job.yardstick.labels_map(trainer.method.targets.numpy()),
            val=job.yardstick.held_out_line(trainer.predict),
        )
    if not task.ranks.first:
        return
    append_metrics(out, line)
    if epoch == 1 and task.request.resumable:
        write_tensors(out / run_folder.FIRST_EPOCH, trainer.result.state_dict())
    if epoch == epochs or task.request.resumable:
        make_checkpoint(job).write(out)
    console.say(line.describe(epochs))
    tracking.log(line)  # after the checkpoint: a run that is killed here tells it when it resumes
    if line.label_guard:
        console.warn(line.label_guard)
