"""Recipes that were tried on photographs to choose the defaults of training."""

from __future__ import annotations

from cdul_edge.training.presets import ConfigChanges

# What all others are held against. Short trials on kept activations led here: the new layer has to
# learn fast in so few steps, and batches of 32 are too small for statistics of their own.
CENTER: ConfigChanges = {
    "learning_rate": 5e-4,
    "head_rate_multiplier": 10.0,
    "epochs": 8,
    "batch_size": 32,
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "schedule": "cosine",
    "height_px": 224,
    "width_px": 224,
    "resize": "squash",
    "flip": True,
    "zoom_in": 0.3,
    "zoom_out": 0.0,
    "color": 0.0,
    "mixup": 0.0,
    "ema_decay": 0.0,
    "ema_warmup": False,
    "freeze_trunk_epochs": 0,
    "freeze_norms": True,
    "freeze_depth": 0.0,
    "labels": "soft",
    "method": "fixed",
}
MEAN: ConfigChanges = {"ema_decay": 0.99, "ema_warmup": True}


LARGE: ConfigChanges = {
    **CENTER, **MEAN, "height_px": 288, "width_px": 288, "epochs": 10, "zoom_in": 0.5,
    "freeze_depth": 0.5,
}  # fmt: skip

# One thing changed at a time, then a few together; `base` is what training does unasked, and
# `before` what it did before.
RECIPES: dict[str, ConfigChanges] = {
    "base": ConfigChanges(),
    "center": CENTER,
    "before": {**CENTER, "learning_rate": 1e-4, "epochs": 20, "zoom_in": 0, "freeze_norms": False},
    "depth5": {**CENTER, "freeze_depth": 0.5},
    "depth3": {**CENTER, "freeze_depth": 0.3},
    "norms-learn": {**CENTER, "freeze_norms": False},
    "lr2e-4": {**CENTER, "learning_rate": 2e-4, "head_rate_multiplier": 25},
    "lr1e-3": {**CENTER, "learning_rate": 1e-3, "head_rate_multiplier": 5},
    "head1e-2": {**CENTER, "head_rate_multiplier": 20},
    "px288": {**CENTER, "height_px": 288, "width_px": 288},
    "px320-depth5": {**CENTER, "height_px": 320, "width_px": 320, "freeze_depth": 0.5},
    "zoom0": {**CENTER, "zoom_in": 0},
    "zoom5": {**CENTER, "zoom_in": 0.5},
    "zoom-in3-out3": {**CENTER, "zoom_out": 0.3},
    "ema99": {**CENTER, **MEAN},
    "mix2": {**CENTER, "mixup": 0.2},
    "ep5": {**CENTER, "epochs": 5},
    "ep12": {**CENTER, "epochs": 12},
    "combo288": LARGE,
    "combo288lr2e-4": {**LARGE, "learning_rate": 2e-4, "head_rate_multiplier": 25},
    "combo288lr1e-3": {**LARGE, "learning_rate": 1e-3},
    "combo320": {**LARGE, "height_px": 320, "width_px": 320},
    "combo352": {
        **CENTER,
        "height_px": 352,
        "width_px": 352,
        "zoom_in": 0.3,
        "epochs": 8,
        "freeze_depth": 0.5,
        **MEAN,
    },
    "lp": {**CENTER, "freeze_trunk_epochs": 8},
    "depth7": {**CENTER, "freeze_depth": 0.7},
    "depth9": {**CENTER, "freeze_depth": 0.9},
    "lr1e-4": {**CENTER, "learning_rate": 1e-4, "head_rate_multiplier": 50},
    "norms-learn-lr1e-4": {
        **CENTER,
        "learning_rate": 1e-4,
        "head_rate_multiplier": 50,
        "freeze_norms": False,
    },
    "head2e-2": {**CENTER, "head_rate_multiplier": 40},
    "bs16": {**CENTER, "batch_size": 16},
    "bs64": {**CENTER, "batch_size": 64},
    "freeze1": {**CENTER, "freeze_trunk_epochs": 1},
    "wd3": {**CENTER, "weight_decay": 0.3},
    "wd1": {**CENTER, "weight_decay": 1.0},
    "color3": {**CENTER, "color": 0.3},
    "letterbox": {**CENTER, "resize": "letterbox"},
    "hard": {**CENTER, "labels": "hard"},
    "cdul224": {**CENTER, "method": "cdul"},
    "cdul288": {**LARGE, "method": "cdul"},
    "combo288mix": {**LARGE, "mixup": 0.2, "color": 0.2},
    "combo288out": {**LARGE, "zoom_out": 0.3},
}
