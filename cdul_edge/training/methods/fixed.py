"""The baseline: the labels stay as they are."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.base import Method, Step, Supervision
from cdul_edge.training.methods.known_labels import require_absences
from cdul_edge.training.methods.settings import MethodSettings


class FixedLabels(Method[MethodSettings]):
    """Mean binary cross-entropy against labels that never change (CDUL with eta 0).

    Of observed labels alone only the known ones have a loss, as in "ignore unobserved" of the
    single-positive papers (the mean stays one over all entries); with all known it is supervised
    training.
    """

    mixes = True
    state = ()

    def __init__(self, supervision: Supervision, settings: MethodSettings) -> None:
        super().__init__(supervision, settings)
        require_absences(supervision, "fixed")

    def loss(self, step: Step) -> Tensor:
        weights = None
        if self.supervision.observed_only:
            weights = (step.rows(self.supervision.observed) != 0).to(step.logits.dtype)
        return F.binary_cross_entropy_with_logits(
            step.logits, step.rows(self.targets), weight=weights
        )
