"""Named settings; options given by hand override them one by one."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any

from cdul_edge.training.config import TrainConfig


class Preset(str, Enum):
    """Settings that have a name on the command line."""

    PAPER_VOC2012 = "paper-voc2012"
    PAPER_VOC2007 = "paper-voc2007"
    PAPER_COCO = "paper-coco"
    PAPER_NUS = "paper-nus"
    CDUL_PAPER = "cdul-paper"
    PU_MLC_VOC = "pu-mlc-voc"
    PU_MLC_COCO = "pu-mlc-coco"
    DEMO = "demo"


# CDUL as its paper writes it (eq. 7 and 8), without our anchor, freeze and guard.
# The paper gives neither eta nor sigma: 1 and 1 are those of its public reproduction.
_CDUL_PAPER: dict[str, Any] = {
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
_PAPER: dict[str, Any] = {
    **_CDUL_PAPER,
    "network": "resnet101",
    "weights": "IMAGENET1K_V1",
    "height_px": 448,
    "width_px": 448,
    "resize": "squash",
    "epochs": 20,
    "optimizer": "adamw",
    "learning_rate": 1e-5,
    "weight_decay": 0.0,
    "head_rate_multiplier": 1.0,
    "schedule": "constant",
    "rate_warmup_steps": 0,
    "gradient_clip": 0.0,
    "ema_decay": 0.0,
    "flip": True,
    "shift": 0.0,
    "color": 0.0,
    "shuffle_colors": 0.0,
}

# PU-MLC as its authors' code trains it with a tenth of the labels known; batches of two GPUs
# together. What our loop lacks, or does its own way: OneCycle (80 epochs' worth, cut off after 40
# on COCO and 55 on VOC), all but layer4, head and new branches frozen with every batch norm in
# evaluation mode, random crops of several sizes, and Adam's decay, which AdamW takes off the
# weights instead. Their network is a ResNet-101 with `local_global`, semantic decoupling and a
# gated graph; only the first two can be had, by --network and --local-global.
_PU_MLC: dict[str, Any] = {
    "method": "pu-mlc",
    "optimizer": "adamw",
    "weight_decay": 1e-4,
    "head_rate_multiplier": 1.0,
}

PRESETS: dict[Preset, dict[str, Any]] = {
    Preset.PAPER_VOC2012: {**_PAPER, "batch_size": 8},
    Preset.PAPER_VOC2007: {**_PAPER, "batch_size": 8},
    Preset.PAPER_COCO: {**_PAPER, "batch_size": 16},
    Preset.PAPER_NUS: {**_PAPER, "batch_size": 16},
    Preset.CDUL_PAPER: _CDUL_PAPER,
    Preset.PU_MLC_VOC: {
        **_PU_MLC,
        "batch_size": 90,
        "learning_rate": 4e-5,
        "ema_decay": 0.991,
        "method_settings": {"gamma": 0.85, "alpha": 2.0},
    },
    Preset.PU_MLC_COCO: {
        **_PU_MLC,
        "batch_size": 70,
        "learning_rate": 1e-4,
        "ema_decay": 0.9997,
        "method_settings": {"gamma": 0.55, "alpha": 1.0},
    },
    Preset.DEMO: {
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


def make_config(preset: Preset | None = None, **options: Any) -> TrainConfig:
    """The default settings, changed by the preset, changed by each option that is not None.

    `method_settings` are merged one by one; those of a preset count for its own method only.
    """
    settings = PRESETS[preset] if preset else {}
    given = {name: value for name, value in options.items() if value is not None}
    merged = {**settings, **given}
    if merged.get("method") == settings.get("method"):
        both = {**settings.get("method_settings", {}), **given.get("method_settings", {})}
        merged["method_settings"] = both
    else:
        merged["method_settings"] = given.get("method_settings", {})
    return replace(TrainConfig(), **merged)
