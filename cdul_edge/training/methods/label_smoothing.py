"""Label smoothing: every assumed label may be wrong by a fixed mass.

Szegedy et al., CVPR 2016, section 7; binary, as the single-positive literature uses it (CDUL,
table 1, "LS").

With the positives P and the mass e, t = 1 - e on P and e elsewhere; L is the mean over pictures and
classes of sp(z) - t z, so that the network is pulled to p = 1 - e and p = e. The "epsilon" of the
single-positive papers is 2 e: they mix labels with 1/2 rather than flip them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import (
    Method,
    Step,
    Supervision,
    keep_observed,
    require_positives,
)
from cdul_edge.training.methods.settings import MethodSettings, number


def smooth(labels: Tensor, flip_mass: float) -> Tensor:
    """Labels 0 and 1 (N, C) to `flip_mass` and 1 - `flip_mass`."""
    return labels * (1.0 - 2.0 * flip_mass) + flip_mass


@dataclass(frozen=True)
class SmoothingSettings(MethodSettings):
    """The single-positive papers' published code takes 0.1 an entry.

    Attributes:
        flip_mass: what a label gives to its opposite.
    """

    flip_mass: float = number(0.1, 0, 0.49)


class LabelSmoothing(Method[SmoothingSettings]):
    """Assumed labels are smoothed; observed ones are known, and are not.

    Of observed labels alone all are smoothed, as in the single-positive papers.
    """

    Settings = SmoothingSettings
    mixes = True
    state = ()

    def __init__(self, supervision: Supervision, settings: SmoothingSettings) -> None:
        super().__init__(supervision, settings)
        positives = require_positives(supervision, "ls").to(torch.float32)
        smoothed = smooth(positives, settings.flip_mass)
        alone = supervision.observed_only
        self.targets = smoothed if alone else keep_observed(smoothed, supervision.observed)

    def loss(self, step: Step) -> Tensor:
        return F.binary_cross_entropy_with_logits(step.logits, step.rows(self.targets))
