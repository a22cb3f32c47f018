"""The baseline: the pseudo-labels stay as they are."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step
from cdul_edge.training.methods.settings import MethodSettings


class FixedLabels(Method[MethodSettings]):
    """Mean binary cross-entropy against labels that never change (CDUL with eta 0)."""

    state = ()

    def loss(self, step: Step) -> Tensor:
        return F.binary_cross_entropy_with_logits(step.logits, step.rows(self.targets))
