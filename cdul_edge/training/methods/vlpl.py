"""VLPL: what CLIP is sure to see is a weaker positive; all else stays undecided.

Vision-language pseudo-labels for single positive labels (Xing et al., CVPR workshops 2024). CLIP
looks at the whole picture; q = softmax(cosines / tau_v) over the classes, and q > theta makes a
pseudo-positive. The loss is the mean over pictures and classes of (eq. 5, with the
sign and the target of section 4.6 and the public code)

    -log p                                          observed to be there
    -w log(1 - p)                                   observed to be absent: see entropy.py
    beta (-rho log p - (1 - rho) log(1 - p))        pseudo-positive
    gamma (-(1 - rho) log p - rho log(1 - p))       pseudo-negative, where asked for
    -alpha H(p)                                     unknown: see entropy.py

What was observed goes before what CLIP says. CLIP's labels come from the whole pictures' cosines
alone: this method reads neither the scores nor whether labels are soft or hard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from cdul_edge.training.methods.base import Method, Step, Supervision, keep_observed
from cdul_edge.training.methods.entropy import entropy_loss
from cdul_edge.training.methods.settings import MethodSettings, number
from cdul_edge_runtime.errors import CdulEdgeError


def pseudo_labels(similarities: Tensor, theta: float, share: float) -> Tensor:
    """(N, C) int8 from a softmax over the classes, (N, C).

    1 above theta; else -1 for the floor(share C) least similar classes of a picture, at most; else
    0. `share` 0 gives no pseudo-negatives.
    """
    classes = similarities.shape[1]
    ranks = similarities.argsort(dim=1, stable=True).argsort(dim=1)
    labels = -(ranks < math.floor(share * classes + 1e-9)).to(torch.int8)
    return labels.masked_fill(similarities > theta, 1)


@dataclass(frozen=True)
class VlplSettings(MethodSettings):
    """tau_v and theta of section 4.7, rho of 4.6, alpha and beta of the public code; for VOC.

    (tau_v, theta, alpha) elsewhere: COCO (0.01, 0.3, 0.1), NUS-WIDE (0.03, 0.1, 0.1),
    CUB (0.03, 0.01, 0.01).

    Attributes:
        tau_v: temperature of CLIP's softmax.
        theta: a similarity above it makes a pseudo-positive.
        alpha: weight of the entropy of unknown entries.
        absent: weight of an observed absence; ours, as in entropy.py.
        beta: weight of the pseudo-positives.
        rho: target of a pseudo-positive; a pseudo-negative's is 1 - rho.
        delta: share of the classes that are pseudo-negatives of each picture; the paper finds that
            any cost accuracy (88.1 to 88.5 against 89.1 mAP), and has none.
        gamma: weight of the pseudo-negatives; ours, as beta: the code has none.
    """

    tau_v: float = number(0.03, 1e-4, 10)
    theta: float = number(0.3, 0, 1)
    alpha: float = number(0.2, 0, 1e6)
    absent: float = number(0.2, 0, 1e6)
    beta: float = number(0.7, 0, 1e6)
    rho: float = number(0.9, 0.5, 1)
    delta: float = number(0.0, 0, 1)
    gamma: float = number(0.7, 0, 1e6)


class VisionLanguagePseudoLabels(Method[VlplSettings]):
    """Labels of CLIP, made once. As a label, an unknown entry keeps its similarity.

    Attributes:
        pseudo: (N, C) int8: 1 pseudo-positive, -1 pseudo-negative, 0 neither, or observed.
    """

    Settings = VlplSettings
    undecided = True
    state = ()

    def __init__(self, supervision: Supervision, settings: VlplSettings) -> None:
        super().__init__(supervision, settings)
        if supervision.cosines is None:
            raise CdulEdgeError(
                "the method vlpl needs the cosines of the whole pictures, which these "
                "pseudo-labels lack: label the pictures again"
            )
        observed = supervision.observed
        similarities = torch.softmax(supervision.cosines.float() / settings.tau_v, dim=1)
        made = pseudo_labels(similarities, settings.theta, settings.delta)
        self.pseudo = made.where(observed == 0, 0)
        if not bool(((self.pseudo > 0) | (observed > 0)).any()):
            raise CdulEdgeError(
                f"the method vlpl finds no similarity above theta {settings.theta:g}: give a lower "
                "--set theta or --set tau_v, or --observed"
            )
        rho = settings.rho
        believed = similarities.masked_fill(self.pseudo > 0, rho)
        absent = believed.clamp(max=1.0 - rho)
        self.targets = keep_observed(torch.where(self.pseudo < 0, absent, believed), observed)

    def loss(self, step: Step) -> Tensor:
        chosen, pseudo = self.settings, step.rows(self.pseudo)
        observed, positive = step.rows(self.supervision.observed), pseudo > 0
        targets = (1.0 - chosen.rho) + (2.0 * chosen.rho - 1.0) * positive
        weights = chosen.gamma + (chosen.beta - chosen.gamma) * positive
        likely = binary_cross_entropy_with_logits(step.logits, targets, reduction="none")
        entropy = entropy_loss(step.logits, observed, alpha=chosen.alpha, absent=chosen.absent)
        return torch.where(pseudo != 0, weights * likely, entropy).mean()
