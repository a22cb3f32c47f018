"""`cdul-edge train`: a classifier from pseudo-labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from cdul_edge.cli.output.result_console import message_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.tables.train import show_run
from cdul_edge.launcher import find_launch
from cdul_edge.storage.location import parse_location
from cdul_edge.training import augmentation_options as augmentation
from cdul_edge.training import observed_options, options
from cdul_edge.training.config import LabelKind, SettingValue
from cdul_edge.training.presets import make_config
from cdul_edge.training.request import (
    DataOptions,
    EvaluationOptions,
    ObservedOptions,
    TrackerName,
    TrainRequest,
)
from cdul_edge.training.tracking.option import Log, TrackerChoice
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.console import StderrConsole

_DATA, _EVALUATION, _OBSERVED = DataOptions(), EvaluationOptions(), ObservedOptions()


def train(
    labels: options.LabelsPath,
    out: options.Out,
    preset: options.Preset = None,
    force: options.Force = False,
    device: options.Device = "auto",
    json: options.JsonFile = None,
    network: options.Network = None,
    weights: options.Weights = None,
    local_global: options.LocalGlobal = None,
    image_size: options.ImageSize = None,
    resize: options.Resize = None,
    epochs: options.Epochs = None, batch_size: options.BatchSize = None,
    optimizer: options.Optimizer = None, learning_rate: options.LearningRate = None,
    head_rate_multiplier: options.HeadRateMultiplier = None,
    weight_decay: options.WeightDecay = None, momentum: options.Momentum = None,
    schedule: options.ScheduleOption = None, rate_warmup_steps: options.RateWarmupSteps = None,
    gradient_clip: options.GradientClip = None, ema_decay: options.EmaDecay = None,
    ema_warmup: options.EmaWarmup = None, freeze_trunk_epochs: options.FreezeTrunkEpochs = None,
    freeze_norms: options.FreezeNorms = None, freeze_depth: options.FreezeDepth = None,
    precision: options.PrecisionOption = None,
    flip: augmentation.Flip = None, shift: augmentation.Shift = None,
    color: augmentation.Color = None, shuffle_colors: augmentation.ShuffleColors = None,
    zoom_in: augmentation.ZoomIn = None, zoom_out: augmentation.ZoomOut = None,
    mixup: augmentation.Mixup = None, seed: options.Seed = None,
    method: options.MethodOption = None,
    hard: options.Hard = None, set_aside: observed_options.SetAside = None,
    settings: options.MethodSettings = None,
    observed: observed_options.Observed = None, simulate: observed_options.Simulate = None,
    correct_labels: observed_options.CorrectLabels = None,
    labels_from: observed_options.LabelsFrom = _OBSERVED.labels_from,
    images: options.Images = None, only: options.Only = None,
    cache: options.Cache = _DATA.cache, workers: options.Workers = _DATA.workers,
    cache_budget: options.CacheBudget = _DATA.cache_budget_mib,
    val: options.Val = None, truth: options.Truth = None,
    train_truth: options.TrainTruth = None,
    difficult: options.Difficult = _EVALUATION.difficult, log: Log = None,
) -> None:  # fmt: skip
    """Train a classifier on pseudo-labels; truth is only reported against, or simulated from."""
    height_px, width_px = _parse_size(image_size)
    config = make_config(
        preset, network=network, weights=weights, local_global=local_global, height_px=height_px,
        width_px=width_px, resize=resize, method=method, method_settings=_parse_settings(settings),
        labels=_kind(hard), epochs=epochs, batch_size=batch_size, optimizer=optimizer,
        learning_rate=learning_rate, head_rate_multiplier=head_rate_multiplier, momentum=momentum,
        weight_decay=weight_decay, schedule=schedule, rate_warmup_steps=rate_warmup_steps,
        gradient_clip=gradient_clip, ema_decay=ema_decay, ema_warmup=ema_warmup,
        freeze_trunk_epochs=freeze_trunk_epochs, freeze_norms=freeze_norms,
        freeze_depth=freeze_depth, precision=precision,
        flip=flip, shift=shift, color=color, shuffle_colors=shuffle_colors, zoom_in=zoom_in,
        zoom_out=zoom_out, mixup=mixup, seed=seed, set_aside=set_aside,
        correct_labels=correct_labels,
    )  # fmt: skip
    data = DataOptions(images, cache, cache_budget, workers)
    evaluation = EvaluationOptions(val, truth, train_truth, difficult)
    people = ObservedOptions(tuple(observed or ()), simulate, train_truth, difficult, labels_from)
    at = parse_location(labels)
    request = TrainRequest(at, out, config, data, evaluation, people, device, force, only=only)
    _run(replace(request, log=_trackers(log)), json)


def _run(request: TrainRequest, json: Path | None) -> None:
    with extra_imports("train", "training"):
        from cdul_edge.labelling.encode.crop_scorer import ClipOfLabels
        from cdul_edge.training import run
    console = StderrConsole(message_console())
    result = run.train(replace(request, clip=ClipOfLabels(request.labels)), console)
    if find_launch().rank:
        return
    show_run(result.summary, console)
    if json is not None:
        write_summary(json, result.summary.to_dict())


def _parse_size(text: str | None) -> tuple[int, int] | tuple[None, None]:
    """Height and width in px."""
    if text is None:
        return None, None
    height, _, width = text.lower().partition("x")
    if not height.isdecimal() or not (width or height).isdecimal():
        raise CdulEdgeError(f"--image-size {text!r}: expected px such as 224, or 288x512 (HxW)")
    return int(height), int(width or height)


def _trackers(chosen: list[TrackerChoice] | None) -> tuple[TrackerName, ...]:
    return cast("tuple[TrackerName, ...]", tuple(one.value for one in chosen or ()))


def _parse_settings(given: list[str] | None) -> dict[str, SettingValue]:
    pairs = [text.partition("=") for text in given or []]
    for text, (name, equals, value) in zip(given or [], pairs, strict=True):
        if not (name and equals and value):
            raise CdulEdgeError(f"--set {text!r}: expected NAME=VALUE, such as anchor=0.3")
    return {name: value for name, _, value in pairs}


def _kind(hard: bool | None) -> LabelKind | None:
    if hard is None:
        return None
    return "hard" if hard else "soft"
