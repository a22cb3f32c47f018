"""ROLE: network and estimated labels learn from each other.

Cole et al., CVPR 2021 (CDUL, table 1).

An estimator e = sg(v) holds one latent per picture and class. With the positives P that people
saw, the expected number k of positives per picture, and sgrad stopping gradients:

    R(a)    = ((1 / B) sum_{b,c} a - k)^2 / C^2
    L'(a|b) = mean 1[P] (-log a)  +  mean (-b log a - (1 - b) log(1 - a))  +  R(a)
    L       = (L'(p | sgrad(e)) + L'(e | sgrad(p))) / 2

The network minimizes the first half. The second has a gradient for the latents alone; per picture,
times C, it is the step below. The published code leaves that step to a dense Adam over all latents,
whose momentum keeps moving a picture's row for hundreds of steps after it was shown; here a row
moves once each time its picture is shown, and its count term is the picture's own, an approximation
of the batch's:

    v <- v - r ((e - p) - 1[P] (1 - e) + (2 / C) (sum_c e - k) e (1 - e))

Pseudo-labels are the first estimates, and no part of P: counted again as certain, they drowned what
people saw, and cost accuracy. Without any, the paper draws unknown estimates from [0.4, 0.6], which
its optimizer carries off. Steps as small as these would leave them there, and teach the network
that half of the classes are present: here, what k leaves of a picture is spread over its unknown
entries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    keep_observed,
)
from cdul_edge.training.methods.known_labels import asks_both_ways, observed_prevalence
from cdul_edge.training.methods.settings import MethodSettings, number
from cdul_edge_runtime.errors import CdulEdgeError

_FLOOR = 1e-3  # latents stay within those of labels in [floor, 1 - floor]
_LIMIT = math.log(1.0 / _FLOOR - 1.0)


def half_loss(logits: Tensor, partner: Tensor, positives: Tensor, k_bar: float) -> Tensor:
    """L'(a|b), a scalar: `logits` (B, C) are those of a, `partner` is b, `positives` 0 or 1."""
    seen = (positives * F.softplus(-logits)).mean()
    cross = F.binary_cross_entropy_with_logits(logits, partner)
    return seen + cross + count_penalty(torch.sigmoid(logits), k_bar)


def count_penalty(scores: Tensor, k_bar: float) -> Tensor:
    """R: squared excess of a batch's mean row sum over `k_bar`, a class; (B, C) to a scalar."""
    excess = scores.sum(dim=1).mean() - k_bar
    return (excess / scores.shape[1]) ** 2


def move_latents(
    latents: Tensor, logits: Tensor, positives: Tensor, *, rate: float, k_bar: float
) -> Tensor:
    """The estimator's step, row by row on equal shapes (B, C); returns new latents."""
    estimates, classes = torch.sigmoid(latents), latents.shape[1]
    excess = estimates.sum(dim=1, keepdim=True) - k_bar
    force = (
        estimates
        - torch.sigmoid(logits)
        - positives * (1.0 - estimates)
        + (2.0 / classes) * excess * estimates * (1.0 - estimates)
    )
    return latents - rate * force


def expect_positives(supervision: Supervision) -> float:
    """k, from what is known before training.

    Raises:
        CdulEdgeError: there are only observed labels, and too few absences among them.
    """
    if not supervision.observed_only:
        return float(supervision.targets.sum(dim=1).mean())
    if not asks_both_ways(supervision.observed):
        raise CdulEdgeError(
            "the method role needs the number of classes that a picture shows, which labels of "
            "present classes alone do not tell: give it, such as --set k_bar=1.5"
        )
    return float(observed_prevalence(supervision.observed).sum())


def spread_rest(observed: Tensor, k_bar: float) -> Tensor:
    """(N, C) first estimates: a picture's unknown entries share k less what was seen of it.

    No share is beyond [0.001, 0.5].
    """
    rest = k_bar - (observed > 0).sum(dim=1, keepdim=True)
    shares = rest / (observed == 0).sum(dim=1, keepdim=True).clamp(min=1)
    return keep_observed(shares.clamp(_FLOOR, 0.5).expand(observed.shape), observed)


@dataclass(frozen=True)
class RoleSettings(MethodSettings):
    """The rate is ours, as its step is; the paper's k is the truth's, which nobody has here.

    Attributes:
        k_bar: expected positives per picture (1.5 for VOC, 2.9 for COCO, 1.9 for NUS in the paper's
            code); None is the mean row sum of the first labels, or what observed labels alone tell
            of it, which needs absences.
        rate: step r of the latents.
    """

    k_bar: float | None = number(None, 0, 1e6)
    rate: float = number(0.05, 0, 1)


class OnlineLabelEstimation(Method[RoleSettings]):
    """ROLE from pseudo-labels; the state is a latent v per label, the observed ones fixed."""

    Settings = RoleSettings
    state = ("latents",)

    def __init__(self, supervision: Supervision, settings: RoleSettings) -> None:
        super().__init__(supervision, settings)
        self.positives = (supervision.observed > 0).to(torch.float32)
        given = settings.k_bar
        self.k_bar = expect_positives(supervision) if given is None else given
        if supervision.observed_only:
            self.targets = spread_rest(supervision.observed, self.k_bar)
        self.first = torch.logit(self.targets.clamp(_FLOOR, 1.0 - _FLOOR))
        self.latents = self.first
        self._shown: list[tuple[Tensor, Tensor]] = []
        self._settle()

    def loss(self, step: Step) -> Tensor:
        # Kept where they are: fetching them here would make every step wait for the GPU.
        self._shown.append((step.indices, step.logits.detach()))
        partner, positives = step.rows(self.targets), step.rows(self.positives)
        return 0.5 * half_loss(step.logits, partner, positives, self.k_bar)

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        if not self._shown:
            return {}
        rows = torch.cat([indices for indices, _ in self._shown])
        shown = torch.cat([seen for _, seen in self._shown]).cpu()
        self._shown.clear()
        moved = move_latents(
            self.latents[rows], shown, self.positives[rows],
            rate=self.settings.rate, k_bar=self.k_bar,
        ).clamp(-_LIMIT, _LIMIT)  # fmt: skip
        before, self.latents = self.latents, self.latents.index_copy(0, rows, moved)
        self.latents = self.latents.where(self.supervision.observed == 0, self.first)
        self._settle()
        return {
            "label_change": float((self.latents - before).abs().mean()),
            "label_row_sum": float(self.targets.sum(dim=1).mean()),
        }

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._shown.clear()
        self._settle()

    def _settle(self) -> None:
        """The labels follow from the latents; what was observed is not up for revision."""
        self.targets = keep_observed(torch.sigmoid(self.latents), self.supervision.observed)
