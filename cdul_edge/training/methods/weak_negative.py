"""Weak assume negative: assumed negatives weigh 1 / (C - 1).

Mac Aodha et al., ICCV 2019 (CDUL, table 1, "WAN").

With the positives P, L is the mean over pictures and classes of 1[P] sp(-z) + w (1 - 1[P]) sp(z):
w = 1 / (C - 1) gives one positive as much weight as all that is assumed absent. An entry that is
positive in a share r of equal pictures settles at p = r / (r + (1 - r) w): above r.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step, Supervision, require_positives
from cdul_edge.training.methods.settings import MethodSettings


def entry_weights(positives: Tensor, observed: Tensor) -> Tensor:
    """(N, C) 1 / (C - 1) for what is only assumed to be absent, 1 for all the rest."""
    certain = positives | (observed != 0)
    weak = 1.0 / max(1, positives.shape[1] - 1)  # with one class there is no rest to spread over
    return torch.where(certain, 1.0, weak)


class WeakAssumeNegative(Method[MethodSettings]):
    """Binary cross-entropy against hardened labels, in which assumed negatives weigh little."""

    mixes = True
    state = ()

    def __init__(self, supervision: Supervision, settings: MethodSettings) -> None:
        super().__init__(supervision, settings)
        positives = require_positives(supervision, "wan")
        self.targets = positives.to(torch.float32)
        self.weights = entry_weights(positives, supervision.observed)

    def loss(self, step: Step) -> Tensor:
        # The mean is over all entries: the weights are no divisor.
        return F.binary_cross_entropy_with_logits(
            step.logits, step.rows(self.targets), weight=step.rows(self.weights)
        )
