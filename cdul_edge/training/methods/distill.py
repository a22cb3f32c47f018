"""Distillation at a temperature: the network learns how sure CLIP is, and not only of what.

Hinton, Vinyals and Dean, arXiv 1503.02531, with one sigmoid per class. For a label y in [f, 1 - f]
with the latent u = logit(y), a logit z, and a temperature T,

    L = mean T^2 KL( sg(u / T) || sg(z / T) )          sg is the sigmoid

Its gradient with respect to z is T (sg(z / T) - sg(u / T)) / (B C). Whatever T is, the least loss
is at z = u: scores mean what the labels mean. T decides what a network that cannot reach them all
gives up: at T = 1, the method `fixed`, a label of 0.001 and one of 0.02 are as good as the same; a
large T tends to (z - u)^2 / 8, which keeps the order of the pictures that show a class least.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step, Supervision, binary_entropy
from cdul_edge.training.methods.known_labels import require_pseudo_labels
from cdul_edge.training.methods.settings import MethodSettings, number


def distill(logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """L of labels (B, C) within (0, 1), a scalar."""
    softer = torch.sigmoid(torch.logit(labels) / temperature)
    crossed = F.binary_cross_entropy_with_logits(logits / temperature, softer)
    return temperature**2 * (crossed - binary_entropy(softer).mean())


@dataclass(frozen=True)
class DistillSettings(MethodSettings):
    """Chosen on photographs and drawn worlds (docs/methods.md).

    Attributes:
        temperature: T; between 2 and 8 there is little to choose.
        label_floor: f. The surer a label may be, the more a large T makes of it: with 0.001,
            networks that learn from nothing do worse than with T = 1. It is also what the scores of
            absent classes tend to.
    """

    temperature: float = number(2.0, 1, 100)
    label_floor: float = number(0.02, 1e-6, 0.1)


class Distillation(Method[DistillSettings]):
    """Labels that stay as they are; an observed one counts as one at the floor."""

    Settings = DistillSettings
    mixes = True
    state = ()

    def __init__(self, supervision: Supervision, settings: DistillSettings) -> None:
        super().__init__(supervision, settings)
        require_pseudo_labels(supervision, "distill")

    def loss(self, step: Step) -> Tensor:
        chosen = self.settings
        labels = step.rows(self.targets)
        within = labels.clamp(chosen.label_floor, 1.0 - chosen.label_floor)
        return distill(step.logits, within, chosen.temperature)
