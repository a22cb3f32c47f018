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


class MethodChoice(str, Enum):
    """How a network learns from labels; see docs/methods.md."""

    CDUL = "cdul"
    FIXED = "fixed"
    AN = "an"
    LS = "ls"
    WAN = "wan"
    ASL = "asl"
    PARTIAL_BCE = "partial-bce"
    ROLE = "role"
    EM = "em"
    EM_APL = "em-apl"
    LL_R = "ll-r"
    LL_CT = "ll-ct"
    LL_CP = "ll-cp"
    VLPL = "vlpl"
    PLMCL = "plmcl"
    G2NETPL = "g2netpl"
    PU_MLC = "pu-mlc"
    CCD = "ccd"
