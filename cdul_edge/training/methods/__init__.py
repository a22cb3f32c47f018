"""Training methods, one file each."""

from __future__ import annotations

from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods.base import Method, harden
from cdul_edge.training.methods.cdul import GradientAlignment
from cdul_edge.training.methods.fixed import FixedLabels

__all__ = ["Method", "make_method"]


def make_method(config: TrainConfig, scores: Tensor) -> Method:
    """The configured method, started from pseudo-labels (N, C) in [0, 1]."""
    initial = harden(scores) if config.labels == "hard" else scores.clone()
    if config.method == "fixed":
        return FixedLabels(initial)
    return GradientAlignment(initial, config)
