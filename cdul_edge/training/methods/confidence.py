"""What PLMCL and G2NetPL share: labels with a latent and an anchor, and sure labels first.

The network minimizes, over all B C entries,

    L = mean( 1[o != 0] BCE(z, t) + 1[o = 0] w BCE(z, y) )        w_ic = 1[ |2 y_ic - 1| >= thr_c ]

The threshold of a class falls from its mean margin to 0 over the run of E epochs e = 1, 2, ... E:

    thr_c(e) = m_c (1 - e/E)^r        m_c = mean of |2p - 1| over the class's unknown entries

m_c is that of the scores which the steps of the last epoch saw; before the first, when the network
has predicted nothing yet, that of the labels. In the last epoch every label counts. An observed
label is 0 or 1, its margin is 1, and no threshold is above that: its weight is always 1.

Where there are only observed labels, an unknown entry has no label until the end of the warm-up,
when it becomes what the network says, y = p (as PLMCL is restated): its latent is NaN until then,
and its weight 0. Where people named present classes only, the known labels would teach that
everything is present: then what is unknown counts as absent up to that moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

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
    binary_entropy,
    keep_observed,
)
from cdul_edge.training.methods.known_labels import asks_both_ways
from cdul_edge.training.methods.settings import RefinementSettings, number
from cdul_edge.training.transfer import bring


def margins(labels: Tensor) -> Tensor:
    """|2y - 1| of labels or scores in [0, 1]: 0 at a half, 1 where they are certain."""
    found: Tensor = (2.0 * labels - 1.0).abs()
    return found


def ease(mean_margins: Tensor, epoch: int, epochs: int, power: float) -> Tensor:
    """Thresholds (C,) on the margins of labels in `epoch` (from 1) of `epochs`; 0 in the last."""
    left: float = (1.0 - epoch / epochs) ** power
    return mean_margins.clamp(max=1.0) * left


@dataclass(frozen=True)
class ConfidenceSettings(RefinementSettings):
    """Neither paper's abstract gives a number; the defaults are ours.

    Attributes:
        easy_first: False counts every label from the start (the paper's ablation).
        easy_power: r; how fast the thresholds fall.
        anchor: pull to the first labels.
        label_floor: labels start within [floor, 1 - floor], and stay there.
    """

    easy_first: bool = True
    easy_power: float = number(1.0, 0.01, 100)
    anchor: float = number(0.0, 0, 1)
    label_floor: float = number(1e-3, 1e-6, 0.1)


ConfidenceT = TypeVar("ConfidenceT", bound=ConfidenceSettings, covariant=True)


class ConfidentLabels(Method[ConfidenceT], Generic[ConfidenceT]):
    """Labels y = sigmoid(u) that are learned sure ones first; how u moves is for others to say."""

    state: ClassVar[tuple[str, ...]] = ("latents", "anchors", "mean_margins")

    def __init__(self, supervision: Supervision, settings: ConfidenceT) -> None:
        super().__init__(supervision, settings)
        floor, unknown = settings.label_floor, supervision.observed == 0
        self.anchors = torch.logit(self.targets.clamp(floor, 1.0 - floor))
        self.assumes_absence = False
        if supervision.observed_only:
            self.assumes_absence = not asks_both_ways(supervision.observed)
            if self.assumes_absence:
                self.targets = supervision.positives.float()
            self.anchors = self.anchors.masked_fill(unknown, torch.nan)
        self.first_targets = self.targets
        self.latents = self.anchors.clone()
        self.settle()
        self.mean_margins = _mean(_sums(margins(self.targets), unknown))
        # Of the running epoch: sums of margins, and of how many entries; (2, C).
        self._seen: Tensor | None = None

    @property
    def limit(self) -> float:
        """Largest size of a latent."""
        return math.log(1.0 / self.settings.label_floor - 1.0)

    def revise(self, logits: Tensor) -> None:
        """Move `self.latents`, given the logits (N, C) of all pictures."""
        raise NotImplementedError

    def loss(self, step: Step) -> Tensor:
        targets = step.rows(self.targets)
        losses = F.binary_cross_entropy_with_logits(step.logits, targets, reduction="none")
        if self.supervision.observed_only and not self.assumes_absence:
            losses = losses.masked_fill(step.rows(self.latents).isnan(), 0.0)
        if not self.settings.easy_first:
            return losses.mean()
        self._watch(step)
        thresholds = ease(
            self.mean_margins, step.epoch, self.supervision.epochs, self.settings.easy_power
        )
        easy = margins(targets) >= bring(thresholds, targets.device)
        return (losses * easy).mean()

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        if self._seen is not None:
            self.mean_margins = _mean(self._seen.cpu())
            self._seen = None
        if not self.settings.due(epoch, self.supervision.epochs):
            return {}
        logits = context.logits()
        unlabelled = self.latents.isnan()
        first = logits.clamp(-self.limit, self.limit)
        self.latents = torch.where(unlabelled, first, self.latents)
        self.anchors = torch.where(unlabelled, first, self.anchors)
        before = self.latents
        self.revise(logits)
        self.settle()
        return {
            "label_change": float((self.latents - before).abs().mean()),
            "label_row_sum": float(self.targets.sum(dim=1).mean()),
            "label_entropy": float(binary_entropy(self.targets).mean()),
        }

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.settle()

    def settle(self) -> None:
        """The labels follow from the latents; what was observed is not up for revision."""
        labels = torch.sigmoid(self.latents)
        labels = torch.where(labels.isnan(), self.first_targets, labels)
        self.targets = keep_observed(labels, self.supervision.observed)

    def _watch(self, step: Step) -> None:
        """Add up |2p - 1| = tanh(|z| / 2) of the unknown entries; on the device, without a wait."""
        unknown = step.rows(self.supervision.observed) == 0
        sums = _sums((0.5 * step.logits.detach().abs()).tanh(), unknown)
        self._seen = sums if self._seen is None else self._seen + sums


def _sums(values: Tensor, unknown: Tensor) -> Tensor:
    """(2, C) sums over the unknown entries (B, C): of their values, and how many there are."""
    return torch.stack([(values * unknown).sum(dim=0), unknown.sum(dim=0).to(values.dtype)])


def _mean(sums: Tensor) -> Tensor:
    """(C,) means of what `_sums` added up; 0 for a class that has no unknown entry."""
    return sums[0] / sums[1].clamp(min=1)
