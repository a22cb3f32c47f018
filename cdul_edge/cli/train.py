"""`cdul-edge train`: a classifier from pseudo-labels."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from cdul_edge.cli.options.choices import MethodChoice, PrecisionChoice, ResizeChoice
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.presets import Preset, make_config
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports


class OptimizerChoice(str, Enum):
    """What turns gradients into steps."""

    ADAMW = "adamw"
    SGD = "sgd"


class ScheduleChoice(str, Enum):
    """How the learning rate goes after its rise."""

    COSINE = "cosine"
    CONSTANT = "constant"


class CacheChoice(str, Enum):
    """Where decoded pictures are kept."""

    AUTO = "auto"
    MEMORY = "memory"
    DISK = "disk"
    NONE = "none"


class DifficultChoice(str, Enum):
    """What VOC's difficult objects count as."""

    NEGATIVE = "negative"
    IGNORE = "ignore"
    POSITIVE = "positive"


def _option(help: str, *names: str, default: str = "", panel: str, least: int | None = None) -> Any:
    # What the user does not give is the preset's, or TrainConfig's: None here leaves it as it is.
    return typer.Option(
        *names, help=help, rich_help_panel=panel, show_default=default or False, min=least
    )


NET, FIT, LABELS, PICTURES, TRUTH = "Network", "Training", "Pseudo-labels", "Pictures", "Reporting"


def train(
    labels: Annotated[Path, typer.Argument(help="Folder of `cdul-edge label`, or a label file.")],
    out: Annotated[Path, typer.Option(help="Run folder; a run that was cut off goes on.")],
    preset: Annotated[
        Preset | None, typer.Option(help="Named settings; options go before.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the run in --out.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    json: Annotated[Path | None, typer.Option(help="Summary as JSON; - is stdout.")] = None,
    network: Annotated[
        str | None,
        _option("torchvision classifier, or clip:NAME@TAG.", default="resnet50", panel=NET),
    ] = None,
    weights: Annotated[
        str | None,
        _option("default, none, a torchvision tag, or a file.", default="default", panel=NET),
    ] = None,
    local_global: Annotated[
        bool | None,
        _option(
            "Global context in a ResNet's 3x3 convolutions.",
            "--local-global/--no-local-global",
            default="no-local-global",
            panel=NET,
        ),
    ] = None,
    image_size: Annotated[
        str | None, _option("Input in px: side, or HEIGHTxWIDTH.", default="224", panel=NET)
    ] = None,
    resize: Annotated[
        ResizeChoice | None, _option("To that size; squash shows all.", default="squash", panel=NET)
    ] = None,
    epochs: Annotated[
        int | None, _option("Times each picture is shown.", default="20", panel=FIT)
    ] = None,
    batch_size: Annotated[int | None, _option("Pictures a step.", default="32", panel=FIT)] = None,
    optimizer: Annotated[
        OptimizerChoice | None, _option("Of the weights.", default="adamw", panel=FIT)
    ] = None,
    learning_rate: Annotated[
        float | None, _option("Of the trunk.", "--learning-rate", "--lr", default="1e-4", panel=FIT)
    ] = None,
    head_rate_multiplier: Annotated[
        float | None, _option("The head's rate over the trunk's.", default="10", panel=FIT)
    ] = None,
    weight_decay: Annotated[
        float | None, _option("Not of biases and norms.", default="0.05", panel=FIT)
    ] = None,
    momentum: Annotated[float | None, _option("Of sgd.", default="0.9", panel=FIT)] = None,
    schedule: Annotated[
        ScheduleChoice | None, _option("Of the learning rate.", default="cosine", panel=FIT)
    ] = None,
    rate_warmup_steps: Annotated[
        int | None,
        _option("Linear rise of the learning rate.", default="a tenth of all", panel=FIT),
    ] = None,
    gradient_clip: Annotated[
        float | None, _option("Largest gradient norm; 0 is off.", default="0", panel=FIT)
    ] = None,
    ema_decay: Annotated[
        float | None, _option("Of a running mean of the weights; 0 is off.", default="0", panel=FIT)
    ] = None,
    precision: Annotated[
        PrecisionChoice | None, _option("Of the forward pass.", default="auto", panel=FIT)
    ] = None,
    flip: Annotated[
        bool | None,
        _option("Mirror half of the pictures.", "--flip/--no-flip", default="flip", panel=FIT),
    ] = None,
    shift: Annotated[
        float | None,
        _option("Move by up to this share of the side, 0 to 0.25.", default="0", panel=FIT),
    ] = None,
    color: Annotated[
        float | None,
        _option("Brightness, contrast and saturation, 0 to 1.", default="0", panel=FIT),
    ] = None,
    shuffle_colors: Annotated[
        float | None, _option("Chance that the color channels swap.", default="0", panel=FIT)
    ] = None,
    seed: Annotated[int | None, _option("Of all random choices.", default="0", panel=FIT)] = None,
    method: Annotated[
        MethodChoice | None,
        _option("How the network learns from labels.", default="cdul", panel=LABELS),
    ] = None,
    hard: Annotated[
        bool | None,
        _option("Round the labels to 0 and 1.", "--hard/--soft", default="soft", panel=LABELS),
    ] = None,
    settings: Annotated[
        list[str] | None,
        _option(
            "NAME=VALUE of the method, such as anchor=0.3; may be repeated.",
            "--set",
            panel=LABELS,
        ),
    ] = None,
    observed: Annotated[
        Path | None, _option("Labels that people gave, kept as they are.", panel=LABELS)
    ] = None,
    simulate: Annotated[
        str | None,
        _option(
            "Draw such labels from --train-truth: single-positive, 10%, positives=30%.",
            panel=LABELS,
        ),
    ] = None,
    images: Annotated[
        Path | None, _option("Folder the labelled pictures lie in now.", panel=PICTURES)
    ] = None,
    cache: Annotated[
        CacheChoice, _option("Keep decoded pictures in.", default="auto", panel=PICTURES)
    ] = CacheChoice.AUTO,
    cache_budget: Annotated[
        int, _option("Memory that auto may take, MiB.", default="2048", panel=PICTURES, least=0)
    ] = 2048,
    workers: Annotated[
        int, _option("Decoding threads; 0 is one a core.", default="0", panel=PICTURES, least=0)
    ] = 0,
    val: Annotated[
        Path | None, _option("Held-out pictures: folder, list or CSV.", panel=TRUTH)
    ] = None,
    truth: Annotated[
        Path | None, _option("What they show: CSV, VOC, COCO or NPZ.", panel=TRUTH)
    ] = None,
    train_truth: Annotated[
        Path | None, _option("What the labelled pictures show.", panel=TRUTH)
    ] = None,
    difficult: Annotated[
        DifficultChoice, _option("VOC's difficult objects are.", default="negative", panel=TRUTH)
    ] = DifficultChoice.NEGATIVE,
) -> None:
    """Train a classifier on pseudo-labels; truth is only reported against, or simulated from."""
    given = {k: v.value if isinstance(v, Enum) else v for k, v in locals().items()}
    with extra_imports("train", "training"):
        from cdul_edge.labelling.encode.crop_scorer import ClipOfLabels
        from cdul_edge.training.data.dataset import DataOptions
        from cdul_edge.training.data.observed import ObservedOptions
        from cdul_edge.training.evaluation import EvaluationOptions
        from cdul_edge.training.progress import Talk
        from cdul_edge.training.train import train_student
    config = make_config(preset, **_settings(given))
    data = DataOptions(images, given["cache"], cache_budget, workers)
    evaluation = EvaluationOptions(val, truth, train_truth, given["difficult"])
    options = ObservedOptions(observed, simulate, train_truth, given["difficult"])
    seen, seen_from = options.open(labels, config.seed)
    talk = Talk()
    if seen_from:
        talk.say(f"observed labels: {seen_from}")
    summary = train_student(
        labels,
        out,
        config,
        observed=seen,
        observed_from=seen_from,
        data=data,
        evaluation=evaluation,
        device=device,
        force=force,
        clip=ClipOfLabels(labels),
        talk=talk,
    )
    talk.show(summary)
    if json is not None:
        write_summary(json, summary)


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that are settings of the run; None where the user gave nothing."""
    names = {field.name for field in fields(TrainConfig)}
    settings = {name: value for name, value in given.items() if name in names}
    settings["method_settings"] = _parse_settings(given["settings"] or [])
    settings["labels"] = {None: None, True: "hard", False: "soft"}[given["hard"]]
    return {**settings, **_parse_size(given["image_size"])}


def _parse_size(text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    height, _, width = text.lower().partition("x")
    if not height.isdecimal() or not (width or height).isdecimal():
        raise CdulEdgeError(f"--image-size {text!r}: expected px such as 224, or 288x512 (HxW)")
    return {"height_px": int(height), "width_px": int(width or height)}


def _parse_settings(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for text, (name, equals, value) in zip(given, pairs, strict=True):
        if not (name and equals and value):
            raise CdulEdgeError(f"--set {text!r}: expected NAME=VALUE, such as anchor=0.3")
    return {name: value for name, _, value in pairs}
