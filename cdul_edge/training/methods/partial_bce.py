"""Partial binary cross-entropy with a curriculum: only what is known counts.

Durand et al., CVPR 2019, sections 3.1 and 3.3 (CDUL, table 1), without their graph network.

With known entries m in {0, 1}, targets t and the known share f_b of picture b:

    L = mean_b g(f_b) mean_c m (sp(z) - t z)        g(f) = -4.45 f + 5.45,  g(0.1) = 5, g(1) = 1

At first the positives, the scores that are very low, and what was observed are known; of observed
labels alone, just those, as in the paper. The curriculum then adds entries of which the network is
sure, |z| > theta_grow, with t = 1[z > 0], chosen again each time, and never in the place of what
was known at first.
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
    require_positives,
)
from cdul_edge.training.methods.known_labels import require_absences
from cdul_edge.training.methods.settings import RefinementSettings, number
from cdul_edge_runtime.errors import CdulEdgeError


def partial_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """The scalar of the equation; all (B, C), `known` 0 or 1. Nothing known contributes 0."""
    entries = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * known
    weights = 5.45 - 4.45 * known.mean(dim=1)
    return (weights * entries.mean(dim=1)).mean()


def low_scores(scores: Tensor, rest: Tensor, theta_neg: float | None) -> Tensor:
    """(N, C) bool: entries of `rest` with scores up to `theta_neg`; None is the rest's median."""
    if theta_neg is None:
        # The median of nothing is NaN, and nothing lies below it.
        theta_neg = float(scores[rest].median())
    return rest & (scores <= theta_neg)


@dataclass(frozen=True)
class CurriculumSettings(RefinementSettings):
    """The first grown labels serve epoch 3, and every second epoch brings new ones (ours).

    Attributes:
        theta_neg: a score at or below it is a known negative; None is the median score of what is
            neither positive nor observed, which fits labels of any temperature (0.01 suits
            softmax scores at temperature 0.01).
        theta_grow: logits beyond plus or minus this are known; the paper's score threshold.
    """

    label_warmup: int | None = number(2, 0, 100_000)
    update_every: int = number(2, 1, 100_000)
    freeze_after: float = number(1.0, 0, 1)
    theta_neg: float | None = number(None, 0, 0.5)
    theta_grow: float = number(2.0, 0, 100)


class PartialBce(Method[CurriculumSettings]):
    """Known and unknown labels; unknown ones keep their scores as targets, without weight."""

    Settings = CurriculumSettings
    mixes = True
    state = ("targets", "known")

    def __init__(self, supervision: Supervision, settings: CurriculumSettings) -> None:
        super().__init__(supervision, settings)
        positives = require_positives(supervision, "partial-bce")
        require_absences(supervision, "partial-bce")
        observed = supervision.observed
        rest = ~positives & (observed == 0)
        if supervision.observed_only:
            rest = torch.zeros_like(rest)
        negatives = (observed < 0) | low_scores(supervision.scores, rest, settings.theta_neg)
        if bool(rest.any()) and not bool(negatives.any()):
            raise CdulEdgeError(
                f"the method partial-bce needs known negatives, and no score is at or below "
                f"theta_neg {settings.theta_neg:g}: raise it (--set theta_neg=0.05), leave it out, "
                "or give --observed"
            )
        self.first_known = positives | negatives
        labels = torch.where(positives, 1.0, supervision.targets)
        self.first_targets = torch.where(negatives, 0.0, labels)
        self.targets, self.known = self.first_targets, self.first_known

    def loss(self, step: Step) -> Tensor:
        known = step.rows(self.known).to(step.logits.dtype)
        return partial_loss(step.logits, step.rows(self.targets), known)

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        if not self.settings.due(epoch, self.supervision.epochs):
            return {}
        logits = context.logits()
        added = ~self.first_known & (logits.abs() > self.settings.theta_grow)
        self.known = self.first_known | added
        self.targets = torch.where(added, (logits > 0).to(torch.float32), self.first_targets)
        return {"labels_known": float(self.known.float().mean())}
