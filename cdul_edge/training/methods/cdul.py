"""CDUL's gradient alignment: network and pseudo-labels approach each other by turns.

The network step minimises the Bernoulli KL(y || p) with the labels y fixed; its gradient with
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
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods.base import binary_entropy

# The guard's limits: how far the labels may drift before they are taken back.
_MAX_PREVALENCE_CHANGE = 0.5
_ROW_SUM_RANGE = (0.5, 2.0)


def gaussian_weight(labels: Tensor, sigma: float) -> Tensor:
    """psi of eq. 8: density of N(1/2, sigma^2) at each label; largest where y = 1/2."""
    scale = 1.0 / (sigma * math.sqrt(2.0 * math.pi))
    return scale * torch.exp(-((labels - 0.5) ** 2) / (2.0 * sigma**2))


def align(
    latents: Tensor, anchors: Tensor, logits: Tensor, *, eta: float, sigma: float, anchor: float
) -> Tensor:
    """One label step (eq. 7 with the anchor), elementwise on equal shapes; returns new latents.

    eta psi is cut at 1: beyond it the step would overshoot its own target.
    """
    kappa = (eta * gaussian_weight(torch.sigmoid(latents), sigma)).clamp(max=1.0)
    return latents - kappa * (latents - (1.0 - anchor) * logits - anchor * anchors)


def match_histogram(logits: Tensor, reference: Tensor) -> Tensor:
    """Give each class (column) the values of `reference` in the order of `logits`, (N, C) both.

    The network then decides which pictures show a class, and the pseudo-labels how many do and
    how surely: its own calibration, which is flat early in training, leaves no trace.
    """
    ranks = logits.argsort(dim=0, stable=True).argsort(dim=0)
    return reference.sort(dim=0).values.gather(0, ranks)


class GradientAlignment:
    """CDUL's alternating training; the state is a latent u and an anchor u0 per label."""

    def __init__(self, initial: Tensor, config: TrainConfig) -> None:
        self.config = config
        floor = config.label_floor
        self.anchors = torch.logit(initial.clamp(floor, 1.0 - floor))
        self.latents = self.anchors.clone()
        self.targets = torch.sigmoid(self.latents)
        self.stopped = False

    def loss(self, logits: Tensor, targets: Tensor, indices: Tensor) -> Tensor:
        # KL(y || p) is this minus the labels' entropy, which no weight can change.
        return F.binary_cross_entropy_with_logits(logits, targets)

    def wants_logits(self, epoch: int) -> bool:
        config = self.config
        first = max(1, config.label_warmup_epochs)
        last = min(config.epochs - 1, math.floor(config.freeze_after * config.epochs))
        due = first <= epoch <= last and (epoch - first) % config.update_every == 0
        return due and not self.stopped and config.eta > 0

    def after_epoch(self, epoch: int, logits: Tensor | None) -> dict[str, float | str]:
        if logits is None:
            return {}
        config, limit = self.config, math.log(1.0 / self.config.label_floor - 1.0)
        pulled = match_histogram(logits, self.anchors) if config.match == "histogram" else logits
        before, old = self.targets, self.latents
        moved = align(
            old, self.anchors, pulled, eta=config.eta, sigma=config.sigma, anchor=config.anchor
        )
        self.latents = moved.clamp(-limit, limit)
        self.targets = torch.sigmoid(self.latents)
        log: dict[str, float | str] = dict(self._movement(old, before))
        complaint = self._drift() if config.guard else None
        if complaint:
            self.latents, self.stopped = self.anchors.clone(), True
            self.targets = torch.sigmoid(self.latents)
            log["label_guard"] = f"{complaint}: the first labels are back, and stay"
        return log

    def state_dict(self) -> dict[str, Any]:
        return {"latents": self.latents, "anchors": self.anchors, "stopped": self.stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.latents, self.anchors = state["latents"], state["anchors"]
        self.stopped = state["stopped"]
        self.targets = torch.sigmoid(self.latents)

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
