"""Choices that more than one command offers, in the same words."""

from __future__ import annotations

from enum import Enum


class ResizeChoice(str, Enum):
    """How a picture, or a view of one, becomes a network's size."""

    SQUASH = "squash"
    CENTER = "center"
    LETTERBOX = "letterbox"


class PrecisionChoice(str, Enum):
    """Number format of a forward pass."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
