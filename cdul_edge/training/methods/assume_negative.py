"""Assume negative: what is not among the positives is taken to be absent (CDUL, table 1, "AN").

With the positives P, t = 1 on P and 0 elsewhere; L is the mean over pictures and classes of
sp(z) - t z, and dL/dz = (p - t) / (B C).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step, Supervision, require_positives
from cdul_edge.training.methods.settings import MethodSettings


class AssumeNegative(Method[MethodSettings]):
    """Mean binary cross-entropy against hardened labels that never change."""

    mixes = True
    state = ()

    def __init__(self, supervision: Supervision, settings: MethodSettings) -> None:
        super().__init__(supervision, settings)
        self.targets = require_positives(supervision, "an").to(torch.float32)

    def loss(self, step: Step) -> Tensor:
        return F.binary_cross_entropy_with_logits(step.logits, step.rows(self.targets))
