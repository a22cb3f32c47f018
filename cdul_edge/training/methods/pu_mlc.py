"""PU-MLC: positives, and everything else unlabeled; negatives are not used at all.

With P 1 where a label is positive and z the logits of the B pictures of a batch, for each class c
(paper eq. 9 to 11; the tempered scores in w are those of the authors' code):

    tau = clip(alpha std(z), tau_min, 1), held constant          adaptive temperature, eq. 10
    lu  = log mean_b sigmoid(z / tau)                            over all pictures, positive or not
    lp  = sum_b P log sigmoid(z / tau) / max(sum_b P, 1)
    w   = exp(lu)^gamma, held constant                           rebalancing, eq. 9
    L   = sum_c (w lu - lp) + lambda R                           eq. 11

R is the consistency of mixed pictures: the batch's two halves x1 (shuffled) and x2 with targets
q = 1 where P, else sigmoid(z), are mixed to xm = l x1 + (1 - l) x2, qm alike, with one l ~
Beta(0.3, 0.3) a batch, and R = sum_c mean (log qm - log sigmoid(z(xm)))^2.

The equations are made for logits that start around 0: the temperature is small while a network
tells no picture from another, and from scores of 1 / C the first steps would throw all logits
beyond the other end, where nothing has a gradient any more. So the head starts `undecided`.

The losses sum over the classes, as in the paper: C times the size of a mean. AdamW's steps do not
depend on that scale, but those of sgd and `gradient_clip` do; "mean" is for them.

Without gamma and R a common shift of all logits to minus infinity costs nothing; gamma is what
brings scores to a level. They are not calibrated: judge them by ranking, or at found thresholds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step, Supervision, require_positives
from cdul_edge.training.methods.mixing import draw_beta
from cdul_edge.training.methods.settings import MethodSettings, choice, number
from cdul_edge.training.transfer import bring

# Below it "auto" skips classes without a positive in the batch: most are absent, and the loss
# would only push them down.
_SMALL_BATCH = 64
# Two halves of two pictures: batch norm refuses a pass of one.
_LEAST_TO_MIX = 4


def adapt_temperature(logits: Tensor, alpha: float, lowest: float) -> Tensor:
    """tau of eq. 10: (B, C) logits to (C,) in [lowest, 1]; the deviation divides by B."""
    return (alpha * logits.detach().std(dim=0, correction=0)).clamp(lowest, 1.0)


def variational_losses(
    logits: Tensor, positives: Tensor, *, gamma: float, temperature: Tensor
) -> Tensor:
    """Each class's term of eq. 11.

    Args:
        logits: (B, C).
        positives: (B, C) bool; a class without any keeps its unlabeled part.
        temperature: (C,).

    Returns:
        (C,); negative only where gamma gives the unlabeled part little weight.
    """
    log_scores = F.logsigmoid(logits / temperature)
    unlabeled = log_scores.logsumexp(dim=0) - math.log(len(logits))
    weight = torch.exp(gamma * unlabeled.detach())
    positive = (positives * log_scores).sum(dim=0) / positives.sum(dim=0).clamp(min=1)
    return weight * unlabeled - positive


def mix_targets(first: Tensor, second: Tensor, share: float) -> Tensor:
    """log(share exp(first) + (1 - share) exp(second)) of two logarithms, without leaving them."""
    if share in (0.0, 1.0):
        return first if share == 1.0 else second
    return torch.logaddexp(first + math.log(share), second + math.log1p(-share))


def force_positives(scores: Tensor, observed: Tensor, count: int) -> Tensor:
    """(N, C) bool: the `count` highest scores of each class, but none that was seen to be absent.

    Of equal scores the first pictures are taken.
    """
    candidates = scores.masked_fill(observed < 0, -math.inf)
    best = candidates.argsort(dim=0, descending=True, stable=True)[:count]
    forced = torch.zeros(scores.shape, dtype=torch.bool).scatter(0, best, True)
    return forced & (observed >= 0)


@dataclass(frozen=True)
class PuMlcSettings(MethodSettings):
    """Defaults of the authors' code for COCO with a tenth of the labels.

    Attributes:
        gamma: rebalancing; more gives more predicted positives. The authors take 0.55 on COCO and
            0.85 on VOC; on labels of CLIP 0.25 to 0.55.
        alpha: of the adaptive temperature; 2 on VOC.
        tau_min: lowest temperature; the code has none, and divides by 0 where a class's logits
            are equal.
        consistency: lambda; 0 spares the second pass through the network.
        mixup: shape of the Beta distribution of the mixing share.
        mixup_gradients: let gradients flow through the mixed targets, as the code does.
        absent: what a class without a positive in the batch gives: "keep" its unlabeled part,
            "skip" it, or "auto": keep in batches of 64 pictures and more.
        forced: so many highest-scored pictures of each class are positive, as rare classes
            collapse without; None is 10 or 0.2 % of the pictures, whichever is more, but at most
            a tenth of them. Of observed labels alone, which have no scores, none is.
        reduction: over the classes.
    """

    gamma: float = number(0.55, 0, 100)
    alpha: float = number(1.0, 0, 1e6)
    tau_min: float = number(1e-2, 1e-6, 1)
    consistency: float = number(1.0, 0, 1e6)
    mixup: float = number(0.3, 0, 1)
    mixup_gradients: bool = False
    absent: str = choice("auto", "keep", "skip")
    forced: int | None = number(None, 0, 1_000_000_000)
    reduction: str = choice("sum", "mean")


class PositiveUnlabeled(Method[PuMlcSettings]):
    """PU-MLC on pseudo-positives, which never change.

    Attributes:
        positives: (N, C) bool, P. `targets` are 1 there; elsewhere they keep their first score.
    """

    Settings = PuMlcSettings
    undecided = True
    state = ()

    def __init__(self, supervision: Supervision, settings: PuMlcSettings) -> None:
        super().__init__(supervision, settings)
        self.positives = require_positives(supervision, "pu-mlc")
        if not supervision.observed_only:
            pictures = len(supervision.scores)
            usual = min(max(10, math.ceil(0.002 * pictures)), pictures // 10)
            count = usual if settings.forced is None else settings.forced
            self.positives |= force_positives(supervision.scores, supervision.observed, count)
        self.targets = self.targets.masked_fill(self.positives, 1.0)

    @property
    def reads_pictures(self) -> bool:
        return self.settings.consistency > 0

    def loss(self, step: Step) -> Tensor:
        chosen, positives = self.settings, step.rows(self.positives)
        temperature = adapt_temperature(step.logits, chosen.alpha, chosen.tau_min)
        losses = variational_losses(
            step.logits, positives, gamma=chosen.gamma, temperature=temperature
        )
        if not self._keeps_absent(len(positives)):
            losses = losses * positives.any(dim=0)
        if chosen.consistency > 0 and len(positives) >= _LEAST_TO_MIX:
            losses = losses + chosen.consistency * self._mixed_losses(step, positives)
        return losses.sum() if chosen.reduction == "sum" else losses.mean()

    def _keeps_absent(self, batch: int) -> bool:
        if self.settings.absent == "auto":
            return batch >= _SMALL_BATCH
        return self.settings.absent == "keep"

    def _mixed_losses(self, step: Step, positives: Tensor) -> Tensor:
        """R of each class, (C,); an odd batch's middle picture is left out."""
        half = len(positives) // 2
        share = draw_beta(self.settings.mixup, step.draws)
        order = bring(torch.randperm(half, generator=step.draws), step.images.device)
        logits = step.logits if self.settings.mixup_gradients else step.logits.detach()
        log_targets = F.logsigmoid(logits).masked_fill(positives, 0.0)
        mixed = share * step.images[:half][order] + (1 - share) * step.images[-half:]
        wanted = mix_targets(log_targets[:half][order], log_targets[-half:], share)
        answers = F.logsigmoid(step.network(mixed))
        return (wanted - answers).square().mean(dim=0)
