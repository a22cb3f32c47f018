"""EM+APL: entropy maximization, then soft pseudo-labels for what is surely absent.

Asymmetric pseudo-labeling (Zhou et al., ECCV 2022, as in the authors' code). At the end of the
warm-up, and of every epoch from then on, each class takes those of its unknown entries that the
network scores lowest, n_c = floor(share U_c / T) of the U_c that were unknown at first, T being
how often that happens. Their scores of that moment become their labels for good,

    beta (-t log p - (1 - t) log(1 - p)),        t = p when it was taken,

in place of the entropy. Only absence is labeled: the network is surer of it than of presence.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import (
    EpochEnd,
    Log,
    Method,
    Step,
    Supervision,
)
from cdul_edge.training.methods.entropy import entropy_loss, know_positives
from cdul_edge.training.methods.settings import RefinementSettings, number


def lowest_of_each_class(scores: Tensor, free: Tensor, counts: Tensor) -> Tensor:
    """(N, C) bool: the `counts` (C,) lowest scores of each class among its free entries."""
    ranks = scores.masked_fill(~free, torch.inf).argsort(dim=0, stable=True).argsort(dim=0)
    return free & (ranks < counts)


@dataclass(frozen=True)
class AplSettings(RefinementSettings):
    """(warm-up, alpha, beta) of the authors' runs of 10 epochs.

    VOC (5, 0.2, 0.02), COCO (5, 0.1, 0.9), NUS-WIDE (4, 0.1, 0.2), CUB (3, 0.01, 0.4).

    Attributes:
        alpha: weight of the entropy of unknown entries.
        absent: weight of an observed absence; ours, as in entropy.py.
        beta: weight of the pseudo-negatives.
        share: of a class's unknown entries that are pseudo-negatives in the end.
        freeze_after: share of the epochs after which none is added; 1, as in the paper.
    """

    alpha: float = number(0.2, 0, 1e6)
    absent: float = number(0.2, 0, 1e6)
    beta: float = number(0.02, 0, 1e6)
    share: float = number(0.9, 0, 1)
    freeze_after: float = number(1.0, 0, 1)


class AsymmetricPseudoLabels(Method[AplSettings]):
    """Each entry is pseudo-labeled once at most, and never a positive or an observed one.

    Attributes:
        negatives: (N, C) float32 soft label of each pseudo-negative, NaN where there is none.
    """

    Settings = AplSettings
    undecided = True
    state = ("targets", "negatives")

    def __init__(self, supervision: Supervision, settings: AplSettings) -> None:
        super().__init__(supervision, settings)
        self.known = know_positives(supervision, "em-apl")
        self.targets = self.targets.masked_fill(self.known > 0, 1.0)
        self.negatives = torch.full_like(self.targets, torch.nan)
        epochs = supervision.epochs
        times = sum(settings.due(epoch, epochs) for epoch in range(1, epochs + 1))
        unknown = (self.known == 0).sum(dim=0)
        # Rounded first: a product that is whole must not fall below itself.
        part = settings.share * unknown.double() / max(1, times)
        self.counts = part.add(1e-9).floor().to(torch.int64)  # n_c, (C,)

    def loss(self, step: Step) -> Tensor:
        chosen, labels = self.settings, step.rows(self.negatives)
        taken = ~labels.isnan()
        known = step.rows(self.known)
        entropy = entropy_loss(step.logits, known, alpha=chosen.alpha, absent=chosen.absent)
        # A NaN in the branch that is not chosen would still be in the gradient.
        pseudo = F.binary_cross_entropy_with_logits(
            step.logits, labels.nan_to_num(0.0), reduction="none"
        )
        return torch.where(taken, chosen.beta * pseudo, entropy).mean()

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        if not self.settings.due(epoch, self.supervision.epochs):
            return {}
        logits = context.logits()
        scores = torch.sigmoid(logits)
        free = (self.known == 0) & self.negatives.isnan()
        new = lowest_of_each_class(scores, free, self.counts)
        self.negatives = torch.where(new, scores, self.negatives)
        # The first label is CLIP's, on another scale: being called absent may only lower it.
        self.targets = torch.where(new, torch.minimum(self.targets, scores), self.targets)
        taken = ~self.negatives.isnan()
        return {
            "pseudo_negatives_added": float(new.float().mean()),
            "pseudo_negatives": float(taken.float().mean()),
        }
