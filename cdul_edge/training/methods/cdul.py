"""CDUL's gradient alignment: network and pseudo-labels approach each other by turns.

The network step minimizes the Bernoulli KL(y || p) with the labels y fixed; its gradient with
respect to a logit is (p - y) / (B C), that of the soft binary cross-entropy. The label step is
eq. 7 and 8 of the paper: the gradient of the same KL with respect to y, which is u - z for the
latent u = logit(y) and the logit z, is applied to the latent, weighted by a Gaussian psi(y) that
lets uncertain labels move most. Without a division anywhere:

    kappa = min(eta psi(y), 1)         u <- u - kappa (u - (1 - a) z - a u0)

The anchor a holds the labels near CLIP's (a = 0 is the paper): with a = 0 every state in which
labels and network agree is a fixed point, whatever the pictures show.
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
    binary_entropy,
    keep_observed,
)
from cdul_edge.training.methods.known_labels import require_pseudo_labels
from cdul_edge.training.methods.settings import RefinementSettings, choice, number

# The guard's limits: how far the labels may drift before they are taken back.
_MAX_PREVALENCE_CHANGE = 0.5
_ROW_SUM_RANGE = (0.5, 2.0)


def gaussian_weight(labels: Tensor, sigma: float) -> Tensor:
    """psi of eq. 8: density of N(1/2, sigma^2) at each label; largest where y = 1/2."""
    scale = 1.0 / (sigma * math.sqrt(2.0 * math.pi))
    return scale * torch.exp(-((labels - 0.5) ** 2) / (2.0 * sigma**2))


def align(
    latents: Tensor,
    anchors: Tensor,
    logits: Tensor,
    *,
    eta: float,
    sigma: float | None,
    anchor: float,
) -> Tensor:
    """One label step (eq. 7 with the anchor), elementwise on equal shapes; returns new latents.

    eta psi is limited to 1: beyond it the step would overshoot its own target. Without a sigma,
    psi is 1 everywhere.
    """
    weight = (
        torch.ones_like(latents) if sigma is None else gaussian_weight(latents.sigmoid(), sigma)
    )
    kappa = (eta * weight).clamp(max=1.0)
    return latents - kappa * (latents - (1.0 - anchor) * logits - anchor * anchors)


def match_histogram(logits: Tensor, reference: Tensor) -> Tensor:
    """Give each class (column) the values of `reference` in the order of `logits`, (N, C) both.

    The network then decides which pictures show a class, and the pseudo-labels how many do and
    how surely: its own calibration, which is flat early in training, leaves no trace.
    """
    ranks = logits.argsort(dim=0, stable=True).argsort(dim=0)
    return reference.sort(dim=0).values.gather(0, ranks)


@dataclass(frozen=True)
class CdulSettings(RefinementSettings):
    """The paper gives neither eta nor sigma; these defaults are ours (docs/training.md).

    Attributes:
        eta: step of the labels.
        sigma: width of the Gaussian weight on unsure labels.
        weighted: False leaves the Gaussian out (the paper's ablation): every label moves by eta.
        anchor: pull to the first labels; 0 is the paper.
        label_floor: labels start within [floor, 1 - floor], and stay there.
        match: "histogram": a class keeps its values, and pictures change places.
        guard: take the first labels back on drift.
    """

    eta: float = number(0.1, 0, 1e6)
    sigma: float = number(0.4, 1e-3, 1e6)
    weighted: bool = True
    anchor: float = number(0.5, 0, 1)
    label_floor: float = number(1e-3, 1e-6, 0.1)
    match: str = choice("none", "histogram")
    guard: bool = True


class GradientAlignment(Method[CdulSettings]):
    """CDUL's alternating training; the state is a latent u and an anchor u0 per label."""

    Settings = CdulSettings
    mixes = True
    state = ("latents", "anchors", "stopped")

    def __init__(self, supervision: Supervision, settings: CdulSettings) -> None:
        super().__init__(supervision, settings)
        require_pseudo_labels(supervision, "cdul")
        floor = settings.label_floor
        self.anchors = torch.logit(self.targets.clamp(floor, 1.0 - floor))
        self.latents = self.anchors.clone()
        self.stopped = False
        self._settle()

    def loss(self, step: Step) -> Tensor:
        # KL(y || p) is this minus the labels' entropy, which no weight can change.
        return F.binary_cross_entropy_with_logits(step.logits, step.rows(self.targets))

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        due = self.settings.due(epoch, self.supervision.epochs)
        if not due or self.stopped or self.settings.eta == 0:
            return {}
        logits = context.logits()
        chosen, limit = self.settings, math.log(1.0 / self.settings.label_floor - 1.0)
        pulled = match_histogram(logits, self.anchors) if chosen.match == "histogram" else logits
        before, old = self.targets, self.latents
        sigma = chosen.sigma if chosen.weighted else None
        moved = align(old, self.anchors, pulled, eta=chosen.eta, sigma=sigma, anchor=chosen.anchor)
        self.latents = moved.clamp(-limit, limit)
        self._settle()
        log: Log = dict(self._movement(old, before))
        complaint = self._drift() if chosen.guard else None
        if complaint:
            self.latents, self.stopped = self.anchors.clone(), True
            self._settle()
            log["label_guard"] = f"{complaint}: the first labels are back, and stay"
        return log

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._settle()

    def _settle(self) -> None:
        """The labels follow from the latents; what was observed is not up for revision."""
        self.targets = keep_observed(torch.sigmoid(self.latents), self.supervision.observed)

    def _movement(self, old: Tensor, before: Tensor) -> dict[str, float]:
        after = self.targets
        return {
            "label_change": float((self.latents - old).abs().mean()),
            "label_row_sum": float(after.sum(dim=1).mean()),
            "label_entropy": float(binary_entropy(after).mean()),
            "labels_crossed_up": float(((before < 0.5) & (after >= 0.5)).float().mean()),
            "labels_crossed_down": float(((before >= 0.5) & (after < 0.5)).float().mean()),
        }

    def _drift(self) -> str | None:
        """Say how the labels left their starting point too far, or None; needs no truth."""
        start = torch.sigmoid(self.anchors)
        change = float(
            ((self.targets.mean(dim=0) - start.mean(dim=0)).abs() / start.mean(dim=0)).mean()
        )
        growth = float(self.targets.sum() / start.sum())
        if change > _MAX_PREVALENCE_CHANGE:
            return f"the classes' mean labels changed by {change:.0%}"
        if not _ROW_SUM_RANGE[0] <= growth <= _ROW_SUM_RANGE[1]:
            return f"the labels' row sum is {growth:.2f} times its start"
        return None
