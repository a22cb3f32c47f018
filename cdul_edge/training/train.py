"""From pseudo-labels to a finished run: the work of `cdul-edge train`."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cdul_edge import __version__
from cdul_edge.labels.pseudo_labels import FILE_NAME as LABELS_FILE
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training import run_folder
from cdul_edge.training.attention.second_look import (
    ClipSource,
    SecondLook,
    look_again,
    prepare_second_look,
)
from cdul_edge.training.checkpoint import FILE_NAME as CHECKPOINT
from cdul_edge.training.checkpoint import Checkpoint, write_tensors
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.dataset import DataOptions, locate_pictures, open_pictures
from cdul_edge.training.evaluation import EvaluationOptions, Yardstick, open_yardstick, score
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import Method, Supervision, make_method, resolve_settings
from cdul_edge.training.methods.base import keep_observed
from cdul_edge.training.networks.heads import start_undecided
from cdul_edge.training.networks.network import NetworkPlan, create_network, rebuild_network
from cdul_edge.training.optimization import choose_device, resolve_precision
from cdul_edge.training.progress import Talk
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import (
    prevalence_thresholds,
    thresholds_to_json,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file

Observed = npt.NDArray[np.int8]

_MEND = "it could be read when it was labelled; restore it, or label the folder again"


@dataclass(frozen=True)
class _Job:
    """A run with everything that it reads."""

    folder: Path
    labels: PseudoLabels
    config: run_folder.RunConfig
    trainer: Trainer
    plan: NetworkPlan
    root: Path  # where the pictures lie now
    yardstick: Yardstick
    second_look: SecondLook | None
    talk: Talk


def train_student(
    labels_path: Path,
    out: Path,
    config: TrainConfig,
    *,
    observed: Observed | None = None,
    observed_from: str | None = None,
    data: DataOptions | None = None,
    evaluation: EvaluationOptions | None = None,
    device: str = "auto",
    force: bool = False,
    clip: ClipSource | None = None,
    talk: Talk | None = None,
) -> dict[str, Any]:
    """Train a network on pseudo-labels, or go on with a run that was cut off.

    Args:
        labels_path: a labels folder, or a pseudo-label file.
        out: the run folder.
        observed: (N, C) in the order of the labels: 1 seen to be there, -1 seen not to be there,
            0 unknown. What was observed is never revised.
        observed_from: where that comes from, for the reader of config.json.
        clip: where the CLIP that made the labels is to be had, for methods that look again.

    Returns:
        The summary of the run, as summary.json holds it.

    Raises:
        CdulEdgeError: labels, pictures, weights, settings or folder that the user can mend; a
            loss that is not finite any more.
    """
    talk, chosen = talk or Talk(), choose_device(device)
    config = replace(
        config,
        precision=resolve_precision(config.precision, chosen),
        method_settings=asdict(resolve_settings(config)),
    )
    labels = PseudoLabels.read(labels_path)
    if len(labels.paths) < 2:
        raise CdulEdgeError(
            f"{labels_path} labels {len(labels.paths)} picture(s), expected 2 or more"
        )
    file = labels_path / LABELS_FILE if labels_path.is_dir() else labels_path
    about = run_folder.RunConfig(
        settings=config,
        labels=str(labels_path),
        labels_sha256=sha256_file(file),
        observed_sha256=None
        if observed is None
        else hashlib.sha256(observed.tobytes()).hexdigest(),
        observed_from=observed_from,
        pictures=len(labels.paths),
        classes=labels.classes,
    )
    state = run_folder.inspect_folder(out, about, force=force)
    if state is run_folder.RunState.FINISHED:
        talk.say(f"{out} is finished: this is what it found; --force trains it anew")
        return run_folder.read_summary(out)
    method = _make_method(config, labels, observed)
    job = _prepare(
        out, labels, about, state, method,
        data=data or DataOptions(), evaluation=evaluation or EvaluationOptions(),
        clip=clip, device=chosen, talk=talk,
    )  # fmt: skip
    _train(job)
    return _finish(job)


def _prepare(
    out: Path,
    labels: PseudoLabels,
    config: run_folder.RunConfig,
    state: run_folder.RunState,
    method: Method,
    *,
    data: DataOptions,
    evaluation: EvaluationOptions,
    clip: ClipSource | None,
    device: torch.device,
    talk: Talk,
) -> _Job:
    """Read everything first, so that bad input leaves the run folder as it was."""
    settings, classes = config.settings, labels.classes
    torch.manual_seed(settings.seed)
    checkpoint = _read_checkpoint(out, classes, state)
    if checkpoint:
        plan = NetworkPlan.from_dict(checkpoint.plan)
        network = rebuild_network(plan, len(classes))
    else:
        network, plan = create_network(settings, len(classes))
        if method.undecided:
            start_undecided(network)
    located = locate_pictures(labels.root, labels.paths, data.images)
    look = prepare_second_look(
        method, clip, network, plan, settings, located, done=checkpoint.epoch if checkpoint else 0
    )
    scratch = data.cache_folder or out / run_folder.CACHE
    yardstick = open_yardstick(
        evaluation, classes, labels.paths, plan.preprocess, data, scratch=scratch
    )
    with talk.progress("reading pictures", len(located)) as tick:
        pictures = open_pictures(
            located, plan.preprocess, data, scratch=scratch, mend=_MEND, tick=tick
        )
    trainer = Trainer(
        network, method, pictures, preprocess=plan.preprocess, config=settings, device=device
    )
    if checkpoint:
        trainer.load_state(checkpoint)
        run_folder.keep_metrics(out, trainer.epoch)
        talk.say(f"going on after epoch {trainer.epoch} of {settings.epochs}")
    else:
        run_folder.begin(out, config)
    return _Job(out, labels, config, trainer, plan, located.root, yardstick, look, talk)


def _make_method(config: TrainConfig, labels: PseudoLabels, observed: Observed | None) -> Method:
    scores = torch.from_numpy(labels.scores)
    none = torch.zeros(scores.shape, dtype=torch.int8)
    supervision = Supervision(
        scores=scores,
        observed=none if observed is None else torch.from_numpy(observed),
        cosines=None if labels.cosines is None else torch.from_numpy(labels.cosines),
        hard=config.labels == "hard",
        epochs=config.epochs,
    )
    return make_method(config, supervision)


def _read_checkpoint(
    out: Path, classes: ClassList, state: run_folder.RunState
) -> Checkpoint | None:
    if state is not run_folder.RunState.STARTED or not (out / CHECKPOINT).is_file():
        return None
    checkpoint = Checkpoint.read(out)
    checkpoint.check_classes(classes, out)
    return checkpoint


def _train(job: _Job) -> None:
    trainer, settings = job.trainer, job.config.settings
    while trainer.epoch < settings.epochs:
        epoch = trainer.epoch + 1
        with job.talk.progress(f"epoch {epoch}/{settings.epochs}", len(job.labels.paths)) as tick:
            steps = trainer.train_epoch(tick)
        wanted = trainer.method.wants_logits(epoch)
        logits = trainer.predict(trainer.pictures) if wanted else None
        looked = look_again(job.second_look, trainer, logits, job.talk)
        movement = {**looked, **trainer.method.after_epoch(epoch, logits)}
        measured = job.yardstick.of_epoch(trainer.predict, trainer.method.targets)
        line = {"epoch": epoch, **asdict(steps), **movement, **measured}
        run_folder.append_metrics(job.folder, line)
        if epoch == 1:
            write_tensors(job.folder / run_folder.FIRST_EPOCH, trainer.result.state_dict())
        _checkpoint(job).write(job.folder)
        job.talk.say(_describe(line, settings.epochs))
        if "label_guard" in movement:
            job.talk.say(f"warning: {movement['label_guard']}", style="yellow")


def _checkpoint(job: _Job) -> Checkpoint:
    return Checkpoint(
        **job.trainer.state(),
        classes=list(job.labels.classes),
        plan=job.plan.to_dict(),
        settings=job.config.settings.to_dict(),
        labels_sha256=job.config.labels_sha256,
    )


def _finish(job: _Job) -> dict[str, Any]:
    """Thresholds from the network's own scores, the last measurements, and the files of the end."""
    trainer, labels = job.trainer, job.labels
    predict = partial(trainer.predict, exact=True)
    logits = predict(trainer.pictures)
    # Each class as often as its labels' own thresholds say, or as often as people saw it.
    shown = torch.from_numpy((labels.scores >= labels.thresholds).astype(np.float32))
    prevalence = keep_observed(shown, trainer.method.supervision.observed).numpy().mean(axis=0)
    thresholds = prevalence_thresholds(score(logits), prevalence)
    targets = trainer.method.targets.numpy()
    measured = job.yardstick.of_run(
        predict, train_logits=logits, first=labels.scores, last=targets, thresholds=thresholds
    )
    summary = {**_summarize(job), "thresholds": thresholds_to_json(thresholds), **measured}
    made_by = {"program": "cdul-edge", "version": __version__, "stage": "train"}
    refined = replace(
        labels,
        root=job.root.resolve(),
        scores=targets,
        thresholds=prevalence_thresholds(targets, prevalence),
        provenance={
            **made_by,
            "labels_sha256": job.config.labels_sha256,
            "settings": job.config.settings.to_dict(),
        },
    )
    run_folder.finish(job.folder, refined, summary)
    return summary


def _summarize(job: _Job) -> dict[str, Any]:
    settings = job.config.settings
    lines = run_folder.keep_metrics(job.folder, job.trainer.epoch)
    speeds = [line["images_per_second"] for line in lines]
    return {
        "format": run_folder.FORMAT,
        "program": "cdul-edge",
        "version": __version__,
        "stage": "train",
        "run": str(job.folder),
        "network": settings.network,
        "method": settings.method,
        "classes": list(job.labels.classes),
        "pictures": len(job.labels.paths),
        "epochs": job.trainer.epoch,
        "seconds": sum(line["seconds"] for line in lines),
        "images_per_second": float(np.median(speeds)),
        "last_epoch": lines[-1],
        "label_guard": next((x["label_guard"] for x in lines if "label_guard" in x), None),
    }


def _describe(line: dict[str, Any], epochs: int) -> str:
    words = [
        f"epoch {line['epoch']}/{epochs}:",
        f"bce {line['bce']:.4f}, kl {line['kl']:.4f},",
        f"{line['images_per_second']:.0f} pictures/s",
    ]
    if "label_change" in line:
        words.append(f"labels moved {line['label_change']:.3f}")
    if "pseudo_labels" in line:
        words.append(f"labels' mAP {line['pseudo_labels']['map']:.1f}")
    if "val" in line:
        words.append(f"held-out mAP {line['val']['map']:.1f}")
    return "  ".join(words)
