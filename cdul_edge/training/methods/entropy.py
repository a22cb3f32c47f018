"""EM: learn the positives, and stay undecided about what nobody labeled.

Acknowledging the unknown for multi-label learning with single positive labels (Zhou et al., ECCV
2022). An unknown class is not taken for absent: its score p = sigmoid(z) is held away from 0 and 1.

    L = mean over pictures and classes of   -log p         where the class is known to be there
                                            -w log(1 - p)  where it is known to be absent
                                            -alpha H(p)    where it is unknown

The entropy's gradient is dH/dz = -z p (1 - p): the pull on an unknown is to z = 0, at most
0.224 alpha (at |z| = 1.543), and fades as the network grows sure. The loss may be negative, and 0.5
is no threshold for such scores: the authors use 0.75, we find one per class.

The paper knows no absence, so w is ours. With w = 1 a few of them would outweigh all that is
unknown: they bring the unknown scores down to 1/2, where the entropy no longer holds them back, and
the network is left with those few.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step, Supervision, require_positives
from cdul_edge.training.methods.settings import MethodSettings, number


def score_entropy(logits: Tensor) -> Tensor:
    """H(sigmoid(z)) in nats, elementwise; without cancellation, as it is even in z."""
    size = logits.abs()
    return F.softplus(-size) + size * torch.sigmoid(-size)


def entropy_loss(logits: Tensor, known: Tensor, *, alpha: float, absent: float) -> Tensor:
    """(B, C) loss of each entry; `known` is 1 there, -1 absent (of weight `absent`), 0 unknown."""
    likely = F.softplus(-known * logits)
    likely = torch.where(known < 0, absent * likely, likely)
    return torch.where(known == 0, -alpha * score_entropy(logits), likely)


def know_positives(supervision: Supervision, method: str) -> Tensor:
    """(N, C) int8: 1 at the positives, -1 where absence was observed, else 0; some must be 1."""
    known = require_positives(supervision, method).to(torch.int8)
    return known - (supervision.observed < 0).to(torch.int8)


@dataclass(frozen=True)
class EntropySettings(MethodSettings):
    """The authors' code has alpha 0.2 for VOC, 0.1 for COCO and NUS-WIDE, 0.01 for CUB.

    Attributes:
        alpha: weight of the entropy of unknown entries.
        absent: w, of an observed absence; ours.
    """

    alpha: float = number(0.2, 0, 1e6)
    absent: float = number(0.2, 0, 1e6)


class EntropyMaximization(Method[EntropySettings]):
    """Positives are learned; unknown entries keep their scores as labels, which nothing learns."""

    Settings = EntropySettings
    undecided = True
    state = ()

    def __init__(self, supervision: Supervision, settings: EntropySettings) -> None:
        super().__init__(supervision, settings)
        self.known = know_positives(supervision, "em")
        self.targets = self.targets.masked_fill(self.known > 0, 1.0)

    def loss(self, step: Step) -> Tensor:
        chosen, known = self.settings, step.rows(self.known)
        loss = entropy_loss(step.logits, known, alpha=chosen.alpha, absent=chosen.absent)
        return loss.mean()
