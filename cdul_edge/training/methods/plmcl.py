"""PLMCL: pseudo-labels with momentum, and sure labels first.

The rule as its restatement prints it, y(t+1) = y(t) + A (y(t) - y(t-1)) - B v(t) with the velocity
v(t) = y(t) - y(t-1), has no force: both terms are the same velocity, which can only coast. As the
abstract means it (momentum that carries a label out of low confidence) we complete it to a heavy
ball on the latent u = logit(y), driven by the force of gradient alignment (see cdul.py):

    m = A - B           kappa = min(eta psi(y), kappa_max)
    v <- m v - kappa (u - (1 - a) z - a u0)
    u <- clip(u + v, -u_max, u_max),   v <- 0 where the clip acts

For constant logits it converges if and only if 0 < kappa < 2 (1 + m), and does not overshoot if
kappa <= (1 - sqrt m)^2, which is 0.0858 at the defaults. m = 0 is gradient alignment. The network's
loss and the scheduler are in confidence.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cdul_edge.training.methods.base import Supervision
from cdul_edge.training.methods.cdul import gaussian_weight
from cdul_edge.training.methods.confidence import ConfidenceSettings, ConfidentLabels
from cdul_edge.training.methods.settings import choice, number
from cdul_edge_runtime.errors import CdulEdgeError


def push(
    latents: Tensor, velocities: Tensor, aims: Tensor, *, momentum: float, kappa: Tensor | float
) -> tuple[Tensor, Tensor]:
    """One heavy-ball step of latents to their aims, elementwise; returns latents, velocities."""
    velocities = momentum * velocities - kappa * (latents - aims)
    return latents + velocities, velocities


def coast(labels: Tensor, velocities: Tensor, *, momentum: float) -> tuple[Tensor, Tensor]:
    """The literal rule on labels y and v(t) = y(t) - y(t-1); returns y(t+1) and v(t+1).

    From y(0) and y(1) it tends to y(1) + (y(1) - y(0)) m / (1 - m), whatever the network says.
    """
    velocities = momentum * velocities
    return labels + velocities, velocities


@dataclass(frozen=True)
class PlmclSettings(ConfidenceSettings):
    """Only the abstract was at hand: the defaults are ours, within the bounds of the docstring.

    Attributes:
        rule: "heavy-ball"; "literal" is the printed rule, in which nothing ever moves a label.
        momentum: A.
        damping: B, what the velocity takes off the momentum; A - B lies in [0, 1).
        eta: step of the labels.
        sigma: width of the Gaussian weight on unsure labels.
        kappa_max: largest step.
    """

    rule: str = choice("heavy-ball", "literal")
    momentum: float = number(0.9, 0, 1)
    damping: float = number(0.4, 0, 1)
    eta: float = number(0.08, 0, 1e6)
    sigma: float = number(0.4, 1e-3, 1e6)
    kappa_max: float = number(1.0, 0, 4)
    anchor: float = number(0.5, 0, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        kept = self.momentum - self.damping
        if not 0 <= kept < 1:
            raise CdulEdgeError(
                f"the method plmcl has momentum - damping = {kept:g}, expected 0 or more and below "
                "1: set both (0 and 0 is no momentum)"
            )
        if self.kappa_max >= 2 * (1 + kept):
            raise CdulEdgeError(
                f"the method plmcl diverges with kappa_max {self.kappa_max:g}, expected less than "
                f"2 (1 + momentum - damping) = {2 * (1 + kept):g}"
            )


class MomentumCurriculum(ConfidentLabels[PlmclSettings]):
    """PLMCL; the state is a latent, an anchor and a velocity per label, and a margin per class."""

    Settings = PlmclSettings
    state = (*ConfidentLabels.state, "velocities")

    def __init__(self, supervision: Supervision, settings: PlmclSettings) -> None:
        super().__init__(supervision, settings)
        self.velocities = torch.zeros_like(self.latents)

    def revise(self, logits: Tensor) -> None:
        chosen = self.settings
        momentum = chosen.momentum - chosen.damping
        labels = torch.sigmoid(self.latents)
        if chosen.rule == "literal":
            moved, self.velocities = coast(labels, self.velocities, momentum=momentum)
            self.latents = torch.logit(moved.clamp(chosen.label_floor, 1 - chosen.label_floor))
            return
        kappa = (chosen.eta * gaussian_weight(labels, chosen.sigma)).clamp(max=chosen.kappa_max)
        aims = (1 - chosen.anchor) * logits + chosen.anchor * self.anchors
        moved, velocities = push(
            self.latents, self.velocities, aims, momentum=momentum, kappa=kappa
        )
        self.latents = moved.clamp(-self.limit, self.limit)
        self.velocities = velocities.where(self.latents == moved, 0.0)
