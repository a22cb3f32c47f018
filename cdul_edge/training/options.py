"""The command line's options for a `TrainRequest`, one type each, with the request's defaults.

An option that is not given is None, so that a preset, or else `TrainConfig`, decides.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from cdul_edge.training import presets
from cdul_edge.training.config import (
    MethodName,
    OptimizerName,
    Precision,
    Schedule,
    TrainConfig,
)
from cdul_edge.training.request import CacheKind
from cdul_edge_runtime import choices

_DEFAULTS = TrainConfig()


def setting(panel: str, of: str, help: str, *names: str, shown: str | None = None) -> OptionInfo:
    """An option for the setting `of` of a run.

    Args:
        names: its names on the command line; none is the parameter's own name.
        shown: its default in words, where the value alone would not tell.
    """
    value = getattr(_DEFAULTS, of)
    if isinstance(value, bool):  # "--flip/--no-flip"
        shown = names[0].split("/")[0 if value else 1].lstrip("-")
    elif shown is None:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
    option: OptionInfo = typer.Option(*names, help=help, rich_help_panel=panel, show_default=shown)
    return option


def request_option(panel: str, help: str, *names: str, least: int | None = None) -> OptionInfo:
    """An option that is no setting of the run itself."""
    option: OptionInfo = typer.Option(*names, help=help, rich_help_panel=panel, min=least)
    return option


LabelsPath = Annotated[
    str, typer.Argument(help="Folder made by `cdul-edge label`, or a pseudo-label file; or a URL.")
]
Out = Annotated[
    Path,
    typer.Option(help="Folder for the run. A run that was interrupted there is resumed."),
]
Preset = Annotated[
    presets.Preset | None,
    typer.Option(
        help="Start from named settings, such as those of a paper; options given beside it "
        "override them."
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace the run in --out; a folder with anything else in it is refused."
    ),
]
Device = Annotated[
    str, typer.Option(help="Train on this device: auto, cpu, cuda, cuda:1, ... auto prefers a GPU.")
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="Write the summary to this file as JSON; - prints it to stdout."),
]

_network = partial(setting, "Network")
Network = Annotated[
    str | None,
    _network(
        "network",
        "Network to train: a torchvision classifier such as resnet50, timm:NAME for one of timm, "
        "or clip:NAME@TAG for the image tower of a ResNet CLIP.",
    ),
]
Weights = Annotated[
    str | None,
    _network(
        "weights",
        "Weights to start from: default (pretrained), none, a tag of torchvision such as "
        "IMAGENET1K_V1 or of timm such as ra2_in1k, or a file.",
    ),
]
LocalGlobal = Annotated[
    bool | None,
    _network(
        "local_global",
        "Add a global context branch to the 3x3 convolutions of a ResNet, as PU-MLC does.",
        "--local-global/--no-local-global",
    ),
]
ImageSize = Annotated[
    str | None,
    _network(
        "height_px",
        "Input size in pixels: one number for a square, or HEIGHTxWIDTH. Larger inputs find "
        "smaller objects and run slower.",
        shown="224, or a timm network's own",
    ),
]
Resize = Annotated[
    choices.Resize | None,
    _network(
        "resize",
        "How a picture becomes that size: squash stretches the whole picture, letterbox pads it, "
        "center crops it.",
    ),
]

_training = partial(setting, "Training")
Epochs = Annotated[int | None, _training("epochs", "Number of times every picture is shown.")]
BatchSize = Annotated[
    int | None,
    _training("batch_size", "Pictures per optimizer step. Lower it if memory runs out."),
]
Optimizer = Annotated[OptimizerName | None, _training("optimizer", "Optimizer for the weights.")]
LearningRate = Annotated[
    float | None,
    _training(
        "learning_rate",
        "Highest learning rate of the pretrained trunk.",
        "--learning-rate",
        "--lr",
    ),
]
HeadRateMultiplier = Annotated[
    float | None,
    _training("head_rate_multiplier", "Multiply the learning rate by this for the new last layer."),
]
WeightDecay = Annotated[
    float | None,
    _training("weight_decay", "Weight decay; biases and norms are exempt."),
]
Momentum = Annotated[float | None, _training("momentum", "Momentum for SGD.")]
ScheduleOption = Annotated[
    Schedule | None,
    _training(
        "schedule",
        "Learning rate after the warm-up: cosine lowers it to 0, constant keeps it.",
    ),
]
RateWarmupSteps = Annotated[
    int | None,
    _training(
        "rate_warmup_steps",
        "Raise the learning rate linearly over this many steps.",
        shown="a tenth of all steps",
    ),
]
GradientClip = Annotated[
    float | None,
    _training(
        "gradient_clip",
        "Scale gradients down to this norm; 0 turns clipping off. Use 1 if the loss diverges.",
    ),
]
EmaDecay = Annotated[
    float | None,
    _training(
        "ema_decay",
        "Keep a running mean of the weights with this decay, such as 0.999, and use it as the "
        "result; 0 turns it off.",
    ),
]
EmaWarmup = Annotated[
    bool | None,
    _training(
        "ema_warmup",
        "Let the decay of that mean rise from 0.1, so that a short run's mean forgets its first "
        "steps, or use the full decay from the first step.",
        "--ema-warmup/--no-ema-warmup",
    ),
]
FreezeTrunkEpochs = Annotated[
    int | None,
    _training(
        "freeze_trunk_epochs",
        "Train only the new last layer in so many first epochs; the pretrained trunk stays still.",
        shown="a quarter of all epochs",
    ),
]
FreezeNorms = Annotated[
    bool | None,
    _training(
        "freeze_norms",
        "Keep the statistics of every batch norm as the pretrained weights brought them. Use it "
        "where batches must be small.",
        "--freeze-norms/--no-freeze-norms",
    ),
]
FreezeDepth = Annotated[
    float | None,
    _training(
        "freeze_depth",
        "Keep this share of the pretrained layers, from the input on, as they are, 0 to 1. "
        "Training is then faster, and small sets overfit less.",
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    _training(
        "precision",
        "Number format of the forward pass. auto takes bf16 on a GPU that has it, else fp16; on a "
        "CPU that has bf16 a short trial decides between it and fp32.",
    ),
]
Seed = Annotated[
    int | None,
    _training("seed", "Seed of every random choice; equal seeds and settings give equal runs."),
]

_labels = partial(setting, "Pseudo-labels")
_supervision = partial(request_option, "Pseudo-labels")
MethodOption = Annotated[
    MethodName | None,
    _labels(
        "method",
        "How the network learns from the labels; docs/methods.md compares the methods.",
    ),
]
Hard = Annotated[
    bool | None,
    typer.Option(
        "--hard/--soft",
        help="Round the labels to 0 and 1, or train on the scores as they are.",
        rich_help_panel="Pseudo-labels",
        show_default=_DEFAULTS.labels,
    ),
]
MethodSettings = Annotated[
    list[str] | None,
    _supervision(
        "Change a setting of the method: NAME=VALUE, such as temperature=4. May be repeated.",
        "--set",
    ),
]

_pictures = partial(request_option, "Pictures")
Images = Annotated[
    Path | None,
    _pictures(
        "Folder with the labeled pictures, if it has moved since they were labeled, or labels made "
        "with --from-similarities name them by stem."
    ),
]
Only = Annotated[
    str | None,
    request_option(
        "Pictures",
        "Learn only from these labeled pictures: present (those that are there), or a text or CSV "
        "list that names them.",
    ),
]
Cache = Annotated[
    CacheKind,
    _pictures(
        "Where to keep decoded pictures: in memory, in a file on disk, or none to decode them in "
        "every epoch. auto takes the first that has room.",
    ),
]
CacheBudget = Annotated[int, _pictures("Memory in MiB that --cache auto may use.", least=0)]
Workers = Annotated[
    int,
    _pictures("Threads that decode pictures; 0 is one per core.", least=0),
]

_reporting = partial(request_option, "Reporting")
Val = Annotated[
    Path | None,
    _reporting(
        "Held-out pictures to measure accuracy on: a folder, or a text or CSV list. Needs --truth.",
    ),
]
Truth = Annotated[
    Path | None,
    _reporting("What the held-out pictures show, as CSV, NPZ, COCO JSON or a VOC folder."),
]
TrainTruth = Annotated[
    Path | None,
    _reporting("What the labeled pictures show. Reported against, and never trained on."),
]
Difficult = Annotated[
    choices.Difficult,
    _reporting("What objects that VOC marks as difficult count as."),
]
