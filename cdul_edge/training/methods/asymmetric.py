"""Asymmetric loss: easy and doubtful negatives hardly count (Ridnik et al., ICCV 2021, section 2).

With the positives P as targets t, p_m = max(p - m, 0), focusing weights without a gradient:

    L = sum over all entries of  t (1 - p)^g+ (-log p)  +  (1 - t) p_m^g- (-log(1 - p_m))

A negative with p <= m has no gradient at all. g+ = 0, g- = 4 and m = 0.05 are the paper's.

The sum is B C times the mean that the other methods minimize. AdamW's steps do not depend on that
factor, so the default optimizer learns at its default rate; --gradient-clip then cuts nearly every
step, and SGD steps B C times as far as with a mean: for these two take reduction=mean, whose
gradients are then small for another reason, the focusing weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step, Supervision, require_positives
from cdul_edge.training.methods.settings import MethodSettings, choice, number


def asymmetric_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_positive: float,
    gamma_negative: float,
    margin: float,
) -> Tensor:
    """The loss of each entry, (B, C) as `logits`; targets are 0 or 1."""
    with torch.no_grad():
        scores = torch.sigmoid(logits)
        easiness = torch.sigmoid(-logits) ** gamma_positive
        shifted = (scores - margin).clamp(min=0.0) ** gamma_negative
    # log(1 - p_m) = log(sg(-z) + m) where p > m; as a sum of logarithms it is finite for every z.
    floor = logits.new_full((), math.log(margin) if margin > 0 else -math.inf)
    absence = torch.logaddexp(F.logsigmoid(-logits), floor)
    absent = torch.where(scores > margin, -shifted * absence, 0.0)
    return targets * easiness * F.softplus(-logits) + (1.0 - targets) * absent


@dataclass(frozen=True)
class AsymmetricSettings(MethodSettings):
    """The paper's settings.

    Attributes:
        gamma_positive: focusing g+ of positives; 0 in the paper, 1 in its code's class.
        gamma_negative: focusing g- of negatives.
        margin: scores m of negatives up to which they count as right.
        reduction: over the entries of a batch; "sum" is the paper's.
    """

    gamma_positive: float = number(0.0, 0, 20)
    gamma_negative: float = number(4.0, 0, 20)
    margin: float = number(0.05, 0, 0.5)
    reduction: str = choice("sum", "mean")


class AsymmetricLoss(Method[AsymmetricSettings]):
    """Asymmetric loss on hardened labels; known negatives count in full, as in cross-entropy."""

    Settings = AsymmetricSettings
    mixes = True
    state = ()

    def __init__(self, supervision: Supervision, settings: AsymmetricSettings) -> None:
        super().__init__(supervision, settings)
        self.targets = require_positives(supervision, "asl").to(torch.float32)

    def loss(self, step: Step) -> Tensor:
        chosen = self.settings
        entries = asymmetric_loss(
            step.logits,
            step.rows(self.targets),
            gamma_positive=chosen.gamma_positive,
            gamma_negative=chosen.gamma_negative,
            margin=chosen.margin,
        )
        # What is known to be absent is no doubtful negative: nothing takes its weight away.
        known_absent = step.rows(self.supervision.observed) < 0
        entries = torch.where(known_absent, F.softplus(step.logits), entries)
        return entries.sum() if chosen.reduction == "sum" else entries.mean()
