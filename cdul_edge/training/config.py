"""Every number of a training run, in one frozen value that is written beside the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from cdul_edge_runtime.choices import Resize
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import parse_record

MethodName = Literal[
    "cdul", "fixed", "distill", "an", "ls", "wan", "asl", "partial-bce", "role", "em", "em-apl",
    "ll-r", "ll-ct", "ll-cp", "vlpl", "plmcl", "g2netpl", "pu-mlc", "ccd",
]  # fmt: skip
LabelKind = Literal["soft", "hard"]
LabelsFrom = Literal["observed+pseudo", "observed"]
OptimizerName = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

METHODS: tuple[MethodName, ...] = get_args(MethodName)

# A value of a method's own settings, as JSON and `--set NAME=VALUE` hold it.
SettingValue = bool | int | float | str | None

_CHOICES = {
    "method": METHODS,
    "labels": get_args(LabelKind),
    "optimizer": get_args(OptimizerName),
    "schedule": get_args(Schedule),
    "precision": get_args(Precision),
    "resize": get_args(Resize),
}

# How config.json of earlier runs spells these settings.
_OLD_NAMES = {
    "optimiser": "optimizer",
    "colour": "color",
    "shuffle_colours": "shuffle_colors",
}

# Settings that are younger than runs that are still read, and what those runs did.
_UNTIL_THEN: dict[str, SettingValue] = {
    "zoom_in": 0.0,
    "zoom_out": 0.0,
    "mixup": 0.0,
    "ema_warmup": False,
    "freeze_trunk_epochs": 0,
    "freeze_norms": False,
    "freeze_depth": 0.0,
    "set_aside": 0,
    "correct_labels": False,
}
# (lowest, highest) allowed value, both included.
_RANGES: dict[str, tuple[float, float]] = {
    "height_px": (8, 8192),
    "width_px": (8, 8192),
    "epochs": (1, 100_000),
    "batch_size": (2, 1_000_000),
    "learning_rate": (1e-12, 1e12),
    "weight_decay": (0, 1e6),
    "momentum": (0, 1),
    "head_rate_multiplier": (1e-6, 1e6),
    "rate_warmup_steps": (0, 1e9),
    "gradient_clip": (0, 1e12),
    "ema_decay": (0, 0.999999),
    "freeze_trunk_epochs": (0, 100_000),
    "freeze_depth": (0, 1),
    "shift": (0, 0.25),
    "color": (0, 1),
    "shuffle_colors": (0, 1),
    "zoom_in": (0, 0.75),
    "zoom_out": (0, 0.75),
    "mixup": (0, 1),
    "set_aside": (0, 1_000_000),
    "seed": (0, 2**31 - 1),
}

# None leaves these to the run.
_OPEN = ("height_px", "width_px", "rate_warmup_steps", "freeze_trunk_epochs")


def current_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an earlier run as this version names them, the younger ones as they were then."""
    return {**_UNTIL_THEN, **{_OLD_NAMES.get(name, name): stored[name] for name in stored}}


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a run; two runs with equal settings and labels give equal results.

    Attributes:
        network: A torchvision classifier ("resnet50"), "timm:NAME", or "clip:NAME[@pretrained]".
        weights: "default", "none", a tag of torchvision or timm ("IMAGENET1K_V1"), or a file.
        local_global: Give the residual 3x3 convolutions of a ResNet a global context (PU-MLC).
        height_px: Height of the network's input; None is a timm network's own, and 224 for others.
        width_px: Width of the network's input; None likewise. A run's config.json has numbers.
        resize: How a picture takes that size (see `Preprocess`).
        method: How the network learns from the labels.
        method_settings: What differs from the defaults of that method's `Settings`.
        labels: "soft" scores, or "hard" 0/1 (at 0.5, plus the best class of an empty row).
        epochs: How often every picture is shown.
        batch_size: Pictures per optimizer step.
        optimizer: What turns gradients into steps.
        learning_rate: Rate of the trunk; the head's is `head_rate_multiplier` times that.
        weight_decay: Of the weights; biases and norms are exempt.
        momentum: For SGD.
        schedule: Learning rate after its warm-up.
        rate_warmup_steps: Steps of the rate's linear rise; None is a tenth of all steps.
        gradient_clip: Largest norm of the whole gradient; 0 turns clipping off.
        ema_decay: Decay of a running mean of the weights, which is then the result; 0 turns it off.
        ema_warmup: Let that decay start low, so that a short run's mean forgets where it began.
        freeze_trunk_epochs: So many first epochs train the new last layer only; None is a quarter
            of all epochs. Without pretrained weights nothing is frozen, here and below.
        freeze_norms: Keep the mean and variance of every batch norm as the pretrained weights
            brought them.
        freeze_depth: Share of the trunk's layers, from the input on, that stay as they are.
        precision: Number format of the forward pass; losses, weights and optimizer stay float32.
        flip: Mirror half of the pictures.
        shift: Move pictures by up to this fraction of the side; the gap is filled by reflection.
        color: Strength of brightness, contrast and saturation changes, 0 to 1.
        shuffle_colors: Probability that a picture's color channels change places.
        zoom_in: Show a part of each picture, at least 1 - zoom_in of its area.
        zoom_out: Show pictures smaller, on at least 1 - zoom_out of the input's area, with their
            reflection around them.
        mixup: Shape of the beta distribution of the shares of two mixed pictures; 0 mixes none.
        correct_labels: Shift each class's pseudo-labels by what observed labels say of it.
        set_aside: So many pictures, a sixteenth of all at most, are not trained on: their labels
            tell how sure the scores may be. Where that is below 16, all are trained on.
        seed: Of every random choice.

    Raises:
        CdulEdgeError: a value outside its range; all faults are named together.
    """

    network: str = "timm:tf_efficientnet_lite0"
    weights: str = "default"
    local_global: bool = False
    height_px: int | None = None
    width_px: int | None = None
    resize: Resize = "squash"
    method: MethodName = "distill"
    method_settings: Mapping[str, SettingValue] = field(default_factory=dict)
    labels: LabelKind = "soft"
    correct_labels: bool = False
    epochs: int = 8
    batch_size: int = 32
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 2e-4
    weight_decay: float = 0.05
    momentum: float = 0.9
    head_rate_multiplier: float = 25.0
    schedule: Schedule = "cosine"
    rate_warmup_steps: int | None = None
    gradient_clip: float = 0.0
    ema_decay: float = 0.0
    ema_warmup: bool = False
    freeze_trunk_epochs: int | None = None
    freeze_norms: bool = True
    freeze_depth: float = 0.5
    precision: Precision = "auto"
    flip: bool = True
    shift: float = 0.0
    color: float = 0.0
    shuffle_colors: float = 0.0
    zoom_in: float = 0.3
    zoom_out: float = 0.0
    mixup: float = 0.0
    set_aside: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        faults = [
            f"{name} {getattr(self, name)!r}, expected {' or '.join(allowed)}"
            for name, allowed in _CHOICES.items()
            if getattr(self, name) not in allowed
        ]
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name in _OPEN:
                continue
            if not (
                isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high
            ):
                faults.append(f"{name} {value!r}, expected {low:g} to {high:g}")
        for name in ("network", "weights"):
            if not (getattr(self, name) and isinstance(getattr(self, name), str)):
                faults.append(f"{name} {getattr(self, name)!r}, expected a name")
        for name in ("flip", "local_global", "ema_warmup", "freeze_norms", "correct_labels"):
            if not isinstance(getattr(self, name), bool):
                faults.append(f"{name} {getattr(self, name)!r}, expected true or false")
        if not isinstance(self.method_settings, Mapping):
            faults.append(f"method_settings {self.method_settings!r}, expected settings by name")
        if faults:
            raise CdulEdgeError(f"training settings are wrong: {'; '.join(faults)}")

    def to_dict(self) -> dict[str, object]:
        """Plain values for config.json; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> TrainConfig:
        """Read what `to_dict` wrote, in this version or one before it.

        Raises:
            CdulEdgeError: unknown or missing settings, or values out of range.
        """
        if not isinstance(values, Mapping):
            raise CdulEdgeError("training settings are missing")
        given = current_settings(values)
        odd = sorted({field.name for field in fields(cls)} ^ set(given))
        if odd:
            raise CdulEdgeError(f"training settings of another version: {', '.join(odd)}")
        return parse_record(cls, given, "settings")

    def differences(self, other: TrainConfig) -> list[str]:
        """Each setting that differs, as `name mine (other theirs)`."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [f"{k} {mine[k]} (now {theirs[k]})" for k in mine if mine[k] != theirs[k]]
