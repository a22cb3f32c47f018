"""Every number of a training run, in one frozen value that is written beside the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:  # the command line shows these settings without loading numpy
    from cdul_edge_runtime.pictures.preprocess import Resize

# Every training method: module and class in `cdul_edge.training.methods`, which need torch.
METHODS = {
    "cdul": "cdul:GradientAlignment",
    "fixed": "fixed:FixedLabels",
    "an": "assume_negative:AssumeNegative",
    "ls": "label_smoothing:LabelSmoothing",
    "wan": "weak_negative:WeakAssumeNegative",
    "asl": "asymmetric:AsymmetricLoss",
    "partial-bce": "partial_bce:PartialBce",
    "role": "role:OnlineLabelEstimation",
    "em": "entropy:EntropyMaximization",
    "em-apl": "entropy_apl:AsymmetricPseudoLabels",
    "ll-r": "large_loss:RejectLargeLosses",
    "ll-ct": "large_loss:CorrectForNow",
    "ll-cp": "large_loss:CorrectForGood",
    "vlpl": "vlpl:VisionLanguagePseudoLabels",
    "plmcl": "plmcl:MomentumCurriculum",
    "g2netpl": "g2netpl:LabelGame",
    "pu-mlc": "pu_mlc:PositiveUnlabelled",
    "ccd": "ccd:ClassifierGuided",
}

LabelKind = Literal["soft", "hard"]
Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

_CHOICES = {
    "method": tuple(METHODS),
    "labels": ("soft", "hard"),
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "constant"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "resize": ("squash", "letterbox", "center"),
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
    "shift": (0, 0.25),
    "color": (0, 1),
    "shuffle_colors": (0, 1),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a run; two runs with equal settings and labels give equal results.

    Attributes:
        network: a torchvision classifier ("resnet50"), or "clip:NAME[@pretrained]".
        weights: "default", "none", a torchvision tag ("IMAGENET1K_V1"), or a file.
        local_global: give the residual 3x3 convolutions of a ResNet a global context (PU-MLC).
        height_px, width_px, resize: the network's input (see `Preprocess`).
        method: a name in `METHODS`.
        method_settings: what differs from the defaults of that method's `Settings`.
        labels: "soft" scores, or "hard" 0/1 (at 0.5, plus the best class of an empty row).
        learning_rate: of the trunk; the head's is `head_rate_multiplier` times that.
        rate_warmup_steps: linear rise of the rate; None is a tenth of all steps.
        gradient_clip: largest norm of the whole gradient; 0 is off.
        ema_decay: of the running mean of the weights, which is then the result; 0 is off.
        precision: of the forward pass; losses, weights and optimizer stay float32.
        flip: mirror half of the pictures.
        shift: up to this share of the side, the gap filled by reflection.
        color: strength of brightness, contrast and saturation changes.
        shuffle_colors: chance that a picture's color channels change places.

    Raises:
        CdulEdgeError: a value outside its range; all faults are named together.
    """

    network: str = "resnet50"
    weights: str = "default"
    local_global: bool = False
    height_px: int = 224
    width_px: int = 224
    resize: Resize = "squash"
    method: str = "cdul"
    method_settings: Mapping[str, Any] = field(default_factory=dict)
    labels: LabelKind = "soft"
    epochs: int = 20
    batch_size: int = 32
    optimizer: Optimizer = "adamw"
    learning_rate: float = 1e-4
    weight_decay: float = 0.05
    momentum: float = 0.9
    head_rate_multiplier: float = 10.0
    schedule: Schedule = "cosine"
    rate_warmup_steps: int | None = None
    gradient_clip: float = 0.0
    ema_decay: float = 0.0
    precision: Precision = "auto"
    flip: bool = True
    shift: float = 0.0
    color: float = 0.0
    shuffle_colors: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        faults = [
            f"{name} {getattr(self, name)!r}, expected {' or '.join(allowed)}"
            for name, allowed in _CHOICES.items()
            if getattr(self, name) not in allowed
        ]
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                faults.append(f"{name} {value!r}, expected {low:g} to {high:g}")
        if not self.network or not self.weights:
            faults.append("an empty network or weights")
        if faults:
            raise CdulEdgeError(f"training settings are wrong: {'; '.join(faults)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for config.json; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """Read what `to_dict` wrote; unknown or missing settings are a `CdulEdgeError`."""
        known = {field.name for field in fields(cls)}
        odd = sorted(known ^ set(values))
        if odd:
            raise CdulEdgeError(f"training settings of another version: {', '.join(odd)}")
        return cls(**values)

    def differences(self, other: TrainConfig) -> list[str]:
        """Each setting that differs, as `name mine (other theirs)`."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [f"{k} {mine[k]} (now {theirs[k]})" for k in mine if mine[k] != theirs[k]]
