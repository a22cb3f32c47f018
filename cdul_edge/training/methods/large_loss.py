"""LL-R, LL-Ct, LL-Cp: a large loss on an assumed negative says that it is a positive.

Large loss matters in weakly supervised multi-label classification (Kim et al., CVPR 2022). Training
starts as with `an`: a positive is learned as 1, all else as 0. Networks learn clean
labels before noisy ones, so from the second epoch on the k largest losses of each batch among the
entries that are only assumed to be absent are taken for wrong labels:

    LL-R    k = ceil(B C D (e - 1))    the entry's loss becomes 0
    LL-Ct   k = ceil(B C D (e - 1))    it becomes -log p for this step
    LL-Cp   k = ceil(B C D)            it becomes -log p, and the label 1 for good

with D the share of all B C entries by which k grows an epoch (by which LL-Cp corrects one) and e
the epoch from 1. The loss is the mean over all B C entries, rejected ones included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import (
    EpochEnd,
    Log,
    Method,
    State,
    Step,
    Supervision,
    require_positives,
)
from cdul_edge.training.methods.settings import MethodSettings, number


def count_large(entries: int, percent: float, growth: int) -> int:
    """k = ceil(entries * percent / 100 * growth)."""
    # Rounded first: 3 * 0.1 is a little more than 0.3, and a whole k must stay itself.
    return math.ceil(round(entries * percent / 100 * growth, 6))


def find_large(losses: Tensor, candidates: Tensor, count: int) -> Tensor:
    """(B, C) bool: the `count` largest losses of the batch among the candidates; all if fewer."""
    among = losses.detach().masked_fill(~candidates, -torch.inf).flatten()
    chosen = torch.zeros_like(among, dtype=torch.bool)
    chosen[among.topk(min(count, among.numel())).indices] = True
    return chosen.view_as(losses) & candidates


@dataclass(frozen=True)
class RejectSettings(MethodSettings):
    """The paper asks for 0.1 to 0.5; the default is that of the code of its follow-up.

    Attributes:
        delta_percent: of a batch's entries, by how many more are rejected each epoch.
    """

    delta_percent: float = number(0.5, 0, 100)


@dataclass(frozen=True)
class TemporarySettings(MethodSettings):
    """The paper asks for 0.1 to 0.5; the default is that of the code of its follow-up.

    Attributes:
        delta_percent: of a batch's entries, by how many more are corrected each epoch.
    """

    delta_percent: float = number(0.2, 0, 100)


@dataclass(frozen=True)
class PermanentSettings(MethodSettings):
    """The paper asks for 0.1 to 0.5; the default is that of the code of its follow-up.

    Attributes:
        delta_percent: of a batch's entries, how many become positives each epoch.
    """

    delta_percent: float = number(0.1, 0, 100)


LargeLossSettings = RejectSettings | TemporarySettings | PermanentSettings


class LargeLoss(Method[LargeLossSettings]):
    """What the three share; each says how many losses are large, and what becomes of them."""

    name: ClassVar[str]
    state: ClassVar[tuple[str, ...]] = ()

    def __init__(self, supervision: Supervision, settings: LargeLossSettings) -> None:
        super().__init__(supervision, settings)
        self.targets = require_positives(supervision, self.name).to(torch.float32)

    def loss(self, step: Step) -> Tensor:
        targets = step.rows(self.targets)
        losses = F.binary_cross_entropy_with_logits(step.logits, targets, reduction="none")
        if step.epoch > 1:
            assumed = (targets == 0) & (step.rows(self.supervision.observed) == 0)
            count = count_large(
                losses.numel(), self.settings.delta_percent, self.growth(step.epoch)
            )
            large = find_large(losses, assumed, count)
            self.note(step, large)
            losses = torch.where(large, self.replacement(step.logits), losses)
        return losses.mean()

    def growth(self, epoch: int) -> int:
        """How many times `delta_percent` is taken in this epoch, which is 2 or later."""
        return epoch - 1

    def replacement(self, logits: Tensor) -> Tensor:
        """(B, C) loss of an entry whose loss is large."""
        return F.softplus(-logits)

    def note(self, step: Step, large: Tensor) -> None:
        """Told of the large losses (B, C) of each step."""


class RejectLargeLosses(LargeLoss):
    """LL-R: wrong labels teach nothing."""

    name = "ll-r"
    Settings = RejectSettings

    def replacement(self, logits: Tensor) -> Tensor:
        return torch.zeros_like(logits)


class CorrectForNow(LargeLoss):
    """LL-Ct: a wrong label is a positive in this step, and is judged again in the next epoch."""

    name = "ll-ct"
    Settings = TemporarySettings


class CorrectForGood(LargeLoss):
    """LL-Cp: a wrong label is a positive from now on; the set of positives only grows."""

    name = "ll-cp"
    Settings = PermanentSettings
    state = ("targets",)

    def __init__(self, supervision: Supervision, settings: PermanentSettings) -> None:
        super().__init__(supervision, settings)
        # Left on the device until the epoch ends: fetching each would wait for the GPU.
        self._found: list[tuple[Tensor, Tensor]] = []

    def growth(self, epoch: int) -> int:
        return 1

    def note(self, step: Step, large: Tensor) -> None:
        self._found.append((step.indices, large))

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        if not self._found:
            return {}
        rows = torch.cat([indices for indices, _ in self._found])
        large = torch.cat([found for _, found in self._found]).cpu()
        self._found.clear()
        self.targets = self.targets.index_put((rows,), self.targets[rows].masked_fill(large, 1.0))
        return {"labels_corrected": float(large.sum() / self.targets.numel())}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._found.clear()
