"""Named settings; options given beside one override it one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from cdul_edge.training.config import (
    LabelKind,
    MethodName,
    OptimizerName,
    Precision,
    Schedule,
    SettingValue,
    TrainConfig,
)
from cdul_edge_runtime.choices import Resize

if TYPE_CHECKING:
    from typing_extensions import Unpack

Preset = Literal[
    "paper-voc2012", "paper-voc2007", "paper-coco", "paper-nus", "cdul-paper", "pu-mlc-voc",
    "pu-mlc-coco", "demo",
]  # fmt: skip


class ConfigChanges(TypedDict, total=False):
    """Changes to the settings of `TrainConfig`, by its names; None leaves a setting as it is."""

    network: str | None
    weights: str | None
    local_global: bool | None
    height_px: int | None
    width_px: int | None
    resize: Resize | None
    method: MethodName | None
    method_settings: Mapping[str, SettingValue]
    labels: LabelKind | None
    epochs: int | None
    batch_size: int | None
    optimizer: OptimizerName | None
    learning_rate: float | None
    weight_decay: float | None
    momentum: float | None
    head_rate_multiplier: float | None
    schedule: Schedule | None
    rate_warmup_steps: int | None
    gradient_clip: float | None
    ema_decay: float | None
    ema_warmup: bool | None
    freeze_trunk_epochs: int | None
    freeze_norms: bool | None
    freeze_depth: float | None
    precision: Precision | None
    flip: bool | None
    shift: float | None
    color: float | None
    shuffle_colors: float | None
    zoom_in: float | None
    zoom_out: float | None
    mixup: float | None
    correct_labels: bool | None
    set_aside: int | None
    seed: int | None


# What a preset takes for granted where its paper says nothing; the defaults, which photographs
# chose, may change without it.
PLAIN: ConfigChanges = {
    "network": "resnet50",
    "weights": "default",
    "local_global": False,
    "height_px": 224,
    "width_px": 224,
    "resize": "squash",
    "method": "cdul",
    "labels": "soft",
    "epochs": 20,
    "batch_size": 32,
    "optimizer": "adamw",
    "learning_rate": 1e-4,
    "weight_decay": 0.05,
    "momentum": 0.9,
    "head_rate_multiplier": 10.0,
    "schedule": "cosine",
    "gradient_clip": 0.0,
    "ema_decay": 0.0,
    "ema_warmup": False,
    "freeze_trunk_epochs": 0,
    "freeze_norms": False,
    "freeze_depth": 0.0,
    "flip": True,
    "shift": 0.0,
    "color": 0.0,
    "shuffle_colors": 0.0,
    "zoom_in": 0.0,
    "zoom_out": 0.0,
    "mixup": 0.0,
    "set_aside": 0,
    "correct_labels": False,
}

# CDUL as its paper writes it (eq. 7 and 8), without our anchor, freeze and guard.
# The paper gives neither eta nor sigma: 1 and 1 are those of its public reproduction.
_CDUL_PAPER: ConfigChanges = {
    "method": "cdul",
    "labels": "soft",
    "method_settings": {
        "eta": 1.0,
        "sigma": 1.0,
        "anchor": 0.0,
        "label_warmup": 1,
        "update_every": 1,
        "freeze_after": 1.0,
        "match": "none",
        "guard": False,
    },
}

# CDUL section 4.1: ResNet-101 of ImageNet, Adam (AdamW without decay is Adam), rate 1e-5,
# 20 epochs, whole picture. The input size is that of the method's code family.
_PAPER: ConfigChanges = {
    **PLAIN,
    **_CDUL_PAPER,
    "network": "resnet101",
    "weights": "IMAGENET1K_V1",
    "height_px": 448,
    "width_px": 448,
    "resize": "squash",
    "epochs": 20,
    "learning_rate": 1e-5,
    "weight_decay": 0.0,
    "head_rate_multiplier": 1.0,
    "schedule": "constant",
    "rate_warmup_steps": 0,
}

# PU-MLC as its authors' code trains it with a tenth of the labels known; a batch is that of its two
# GPUs together. What our loop lacks, or does its own way: OneCycle (80 epochs' worth, ended after
# 40 on COCO and 55 on VOC), all but layer4, head and new branches frozen with every batch norm in
# evaluation mode, random crops of several sizes, and Adam's decay, which AdamW takes off the
# weights instead. Their network is a ResNet-101 with `local_global`, semantic decoupling and a
# gated graph; only the first two are available, by --network and --local-global.
_PU_MLC: ConfigChanges = {
    **PLAIN,
    "method": "pu-mlc",
    "weight_decay": 1e-4,
    "head_rate_multiplier": 1.0,
}

PRESETS: dict[Preset, ConfigChanges] = {
    "paper-voc2012": {**_PAPER, "batch_size": 8},
    "paper-voc2007": {**_PAPER, "batch_size": 8},
    "paper-coco": {**_PAPER, "batch_size": 16},
    "paper-nus": {**_PAPER, "batch_size": 16},
    "cdul-paper": _CDUL_PAPER,
    "pu-mlc-voc": {
        **_PU_MLC,
        "batch_size": 90,
        "learning_rate": 4e-5,
        "ema_decay": 0.991,
        "method_settings": {"gamma": 0.85, "alpha": 2.0},
    },
    "pu-mlc-coco": {
        **_PU_MLC,
        "batch_size": 70,
        "learning_rate": 1e-4,
        "ema_decay": 0.9997,
        "method_settings": {"gamma": 0.55, "alpha": 1.0},
    },
    "demo": {
        **PLAIN,
        "network": "clip:demo",
        "height_px": 96,
        "width_px": 96,
        "epochs": 10,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "head_rate_multiplier": 1.0,
        "shift": 0.125,
        "color": 0.4,
        "shuffle_colors": 0.5,
    },
}


def make_config(preset: Preset | None = None, **options: Unpack[ConfigChanges]) -> TrainConfig:
    """The default settings, changed by the preset, changed by each option that is not None.

    `method_settings` are merged one by one; those of a preset count for its own method only.

    Raises:
        CdulEdgeError: a value outside its range.
    """
    chosen: ConfigChanges = PRESETS[preset] if preset else {}
    merged: dict[str, Any] = {**chosen}
    merged.update({name: value for name, value in options.items() if value is not None})
    given = options.get("method_settings", {})
    if merged.get("method") == chosen.get("method"):
        given = {**chosen.get("method_settings", {}), **given}
    return replace(TrainConfig(), **{**merged, "method_settings": given})
