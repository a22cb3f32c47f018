"""G2NetPL: network and pseudo-labels as two players with different costs.

The label player minimizes J(y) = H(y) + eta D(y, p): labels of 0 and 1, and a price on leaving the
network's scores. The restatement prints y log y + (1 - y) log(1 - y), which is -H and would drive
labels to a half, and one min-max for both players, which is not the non-zero-sum game of the
abstract; we follow the abstract. dJ/dy is applied to the latent u = logit(y):

    D = KL(y || p):  u <- u - step ((eta - 1) u - eta z)     fixed point u* = z eta / (eta - 1)
    D = |y - p|:     u <- u + step (u - eta sign(u - z))     a label at p stays while |z| <= eta

With the KL a label becomes the network's logit, sharpened; that needs eta > 1 (at 1 labels drift
for ever, below it they run to 0 or 1), and converges if and only if step (eta - 1) < 2. With
|y - p| a label beyond sigmoid(+-eta) runs to 0 or 1 and the others follow the network. The
network's loss and the scheduler are in confidence.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cdul_edge.training.methods.confidence import ConfidenceSettings, ConfidentLabels
from cdul_edge.training.methods.settings import choice, number
from cdul_edge_runtime.errors import CdulEdgeError


def sharpen(latents: Tensor, logits: Tensor, *, eta: float, step: float) -> Tensor:
    """One step of the label player with D = KL(y || p), elementwise; returns new latents."""
    return latents - step * ((eta - 1.0) * latents - eta * logits)


def stick(latents: Tensor, logits: Tensor, *, eta: float, step: float) -> Tensor:
    """One step of the label player with D = |y - p|, elementwise; returns new latents.

    At y = p the slope of |y - p| is anything in [-1, 1]: the one that leaves the least force holds
    a label with |z| <= eta where it is, and a step that would cross such a p ends there.
    """
    side = torch.sign(latents - logits)
    side = side.where(side != 0, torch.sign(latents))
    moved = latents + step * (latents - eta * side)
    arrives = (latents - logits) * (moved - logits) <= 0
    return logits.where(arrives & (logits.abs() <= eta), moved)


@dataclass(frozen=True)
class G2netplSettings(ConfidenceSettings):
    """Only the abstract was at hand: the defaults are ours, within the bounds of the docstring.

    Attributes:
        distance: D; "kl", or "absolute" as it is printed.
        eta: price on leaving the network's scores; above 1 for "kl".
        step: of the labels.
        unstable: allow an eta of 1 and less with "kl" (their ablation: labels run to 0 and 1).
    """

    distance: str = choice("kl", "absolute")
    eta: float = number(2.0, 0, 1e6)
    step: float = number(0.1, 0, 1e6)
    unstable: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance != "kl":
            return
        if self.eta <= 1 and not self.unstable:
            raise CdulEdgeError(
                f"the method g2netpl has no fixed point with eta {self.eta:g}, expected more than "
                "1: raise it, or set unstable=on to let labels run to 0 and 1"
            )
        if self.step * (self.eta - 1) >= 2:
            raise CdulEdgeError(
                f"the method g2netpl diverges with step {self.step:g} and eta {self.eta:g}, "
                f"expected step (eta - 1) below 2: take a step below {2 / (self.eta - 1):g}"
            )


class LabelGame(ConfidentLabels[G2netplSettings]):
    """G2NetPL; the state is a latent and an anchor per label, and a margin per class."""

    Settings = G2netplSettings

    def revise(self, logits: Tensor) -> None:
        chosen = self.settings
        move = sharpen if chosen.distance == "kl" else stick
        aims = (1 - chosen.anchor) * logits + chosen.anchor * self.anchors
        moved = move(self.latents, aims, eta=chosen.eta, step=chosen.step)
        self.latents = moved.clamp(-self.limit, self.limit)
