"""Mixed pictures (Zhang et al., mixup, ICLR 2018): two pictures and their two losses, blended.

With x = l x1 + (1 - l) x2, a network's answer z to x, and labels y1 and y2, the loss is
l L(z, y1) + (1 - l) L(z, y2). Where L is linear in the labels, as the cross-entropy is, that is
L(z, l y1 + (1 - l) y2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from cdul_edge.training.methods.base import AnyMethod, Step
from cdul_edge.training.transfer import bring


@dataclass(frozen=True)
class Mixing:
    """How a batch of B pictures is mixed.

    Attributes:
        share: what a picture keeps of itself, in [0, 1].
        partners: (B,) int64 on the CPU: which picture of the batch gives each the rest.
    """

    share: float
    partners: Tensor

    def blend(self, values: Tensor) -> Tensor:
        """Each of (B, ...) rows with its partner's."""
        return torch.lerp(values[bring(self.partners, values.device)], values, self.share)

    def loss(self, method: AnyMethod, step: Step) -> Tensor:
        """The method's loss of a step whose pictures are mixed, against both pictures' labels."""
        other = replace(step, indices=step.indices[self.partners])
        return torch.lerp(method.loss(other), method.loss(step), self.share)


def draw_mixing(count: int, shape: float, draws: Generator) -> Mixing | None:
    """One share from Beta(shape, shape) for a batch, and partners at random; None for shape 0."""
    if shape == 0:
        return None
    return Mixing(draw_beta(shape, draws), torch.randperm(count, generator=draws))


def draw_beta(shape: float, draws: Generator) -> float:
    """One number from Beta(shape, shape), shape in (0, 1], by Joehnk's rejection; 1 for shape 0."""
    if shape == 0:
        return 1.0
    while True:
        x, y = (torch.rand(2, generator=draws, dtype=torch.float64) ** (1 / shape)).tolist()
        if 0 < x + y <= 1:
            return float(x / (x + y))
