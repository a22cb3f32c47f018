"""What float32 means on a GPU: unless told, cuDNN rounds what convolutions multiply to 10 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def whole_float32() -> Iterator[None]:
    """Convolutions of float32 as they are on a CPU, without TF32."""
    place, name, whole = _switch()
    before = getattr(place, name)
    setattr(place, name, whole)
    try:
        yield
    finally:
        setattr(place, name, before)


def is_whole() -> bool:
    """Whether convolutions of float32 are as they are on a CPU."""
    place, name, whole = _switch()
    return bool(getattr(place, name) == whole)


def _switch() -> tuple[Any, str, object]:
    """Where the switch is, and what turns rounding off: torch 2.9 warns of the name before it."""
    cudnn: Any = torch.backends.cudnn
    if hasattr(cudnn, "conv"):
        return cudnn.conv, "fp32_precision", "ieee"
    return cudnn, "allow_tf32", False
