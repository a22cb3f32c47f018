"""Classifier-guided CLIP distillation: CLIP looks again where the network looks.

Kim and Shim, CVPR 2025. CLIP answers some classes more readily than others, and sees what fills
the picture. Both are corrected without a label:

    b_c = mean of y_c over the sure pictures whose best class is c      (their section on debiasing)
    y  <- clip(max(y, floor) / b, 0, 1)

A picture is sure where the entropy of its scores, as a distribution over the classes, is at most
2/3 of ln C. The network learns these labels for a few epochs. Then, once, for every picture and
class with p >= t, the place where the class activation map is highest is cut out and shown to CLIP
again; L_c is the best softmax value over a picture's pieces, and a the share of the old labels:

    y  <- clip(a y + (1 - a) max(L, floor) / b, 0, 1)

t is the smallest threshold at which the network predicts only a few classes per picture: found
without labels. From then on another view of each picture is to be answered as the first one is:

    loss = mean( w BCE(z, y) ) + mean BCE( z(another view), sg(sigmoid(z)) )

with sg the stop of the gradient, and w = 1 for a sure picture and `unsure_weight` for another.

What the published code does besides is left out: its network multiplies the positive parts of the
maps by three before they are pooled, which would have to be exported, and its early stopping ranks
labels that are not binary.
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
    Regions,
    Step,
    Supervision,
    harden,
    keep_observed,
)
from cdul_edge.training.methods.known_labels import require_pseudo_labels
from cdul_edge.training.methods.settings import MethodSettings, choice, number
from cdul_edge_runtime.errors import CdulEdgeError

_FIRST_THRESHOLD, _THRESHOLD_STEP = 0.05, 0.001


@dataclass(frozen=True)
class CcdSettings(MethodSettings):
    """Where the defaults differ from the paper's code, the attribute says so.

    Attributes:
        source: "scores": the pseudo-labels, however they were made. "cosines", the paper: CLIP's
            softmax over the classes of the whole picture, at `temperature`.
        temperature: of that softmax; 0.01 is that of OpenAI's CLIPs.
        debias: divide by the bias of each class.
        floor: raise scores to 1 / C before that, as the paper does; it ties most of them.
        sure_entropy: share of ln C up to which a picture's entropy counts as sure.
        label_warmup: epochs before the second look; None is 5, or half of a run of fewer than ten
            (the paper: 2 of 10, from ImageNet's weights).
        relabel: take the second look.
        classes_per_picture: mean number of classes looked at per picture, within one;
            None is a quarter of all, between 2 and 5 (the paper's 5 of 20).
        share: see `Regions`.
        grow: see `Regions`; the paper: 80 of 640 px, 0.125. With the paper's grow, old_share, and
            warm-up, the drawn world's labels fell from 80 to 66 mAP; with ours they rose to 84.
        old_share: of the labels from before the second look; the paper: 0.2.
        unsure_weight: of unsure pictures after the warm-up; 1 is off.
        consistency: weight of the second view after the warm-up; 0 is off.
    """

    source: str = choice("scores", "cosines")
    temperature: float = number(0.01, 1e-4, 0.5)
    debias: bool = True
    floor: bool = False
    sure_entropy: float = number(2 / 3, 0, 1)
    label_warmup: int | None = number(None, 1, 100_000)
    relabel: bool = True
    classes_per_picture: float | None = number(None, 1, 1e6)
    share: float = number(0.95, 0, 1)
    grow: float = number(0.25, 0, 1)
    old_share: float = number(0.5, 0, 1)
    unsure_weight: float = number(1.0, 0, 1)
    consistency: float = number(1.0, 0, 1e6)


def find_sure(scores: Tensor, limit: float) -> Tensor:
    """(N,) bool: the scores (N, C), as a distribution, have an entropy of at most `limit` ln C.

    Where all scores are 0, nothing is sure.
    """
    totals = scores.sum(dim=1, keepdim=True)
    shares = scores / totals.clamp(min=torch.finfo(scores.dtype).tiny)
    entropies = -torch.xlogy(shares, shares).sum(dim=1)
    # rounding: an even distribution is at the limit 1, not beyond it
    within = entropies <= limit * math.log(scores.shape[1]) + 1e-6
    return within & (totals[:, 0] > 0)


def class_bias(scores: Tensor, sure: Tensor) -> Tensor:
    """(C,) mean score of each class over the sure pictures whose best class it is.

    A class that is best nowhere gets the mean of the others.

    Args:
        scores: (N, C).
        sure: (N,) bool.

    Raises:
        CdulEdgeError: no picture is sure.
    """
    if not bool(sure.any()):
        raise CdulEdgeError(
            "the method ccd finds no picture whose labels are sure of a class: give "
            "--set sure_entropy=1, or --set debias=off"
        )
    best = scores[sure].max(dim=1)
    sums = torch.zeros(scores.shape[1]).index_add(0, best.indices, best.values)
    counts = torch.bincount(best.indices, minlength=scores.shape[1])
    bias = sums / counts.clamp(min=1)
    return bias.where(counts > 0, bias[counts > 0].mean())


def find_threshold(scores: Tensor, classes_per_picture: float) -> float:
    """Smallest of 0.05, 0.051, ... at which fewer than this plus one classes per picture remain.

    With 5 it is the paper's "between 4 and 6", which starts low and goes up.

    Args:
        scores: (N, C) of the network.
    """
    steps = math.ceil((1 - _FIRST_THRESHOLD) / _THRESHOLD_STEP) + 1
    limits = _FIRST_THRESHOLD + _THRESHOLD_STEP * torch.arange(steps, dtype=torch.float64)
    ordered = scores.to(torch.float64).flatten().sort().values
    above = scores.numel() - torch.searchsorted(ordered, limits)
    few = (above / len(scores) < classes_per_picture + 1).nonzero()
    return float(limits[int(few[0])]) if len(few) else 1.0


class ClassifierGuided(Method[CcdSettings]):
    """CCD; its labels change once, after the warm-up."""

    Settings = CcdSettings
    threshold: float  # from which a class was looked at again

    def __init__(self, supervision: Supervision, settings: CcdSettings) -> None:
        super().__init__(supervision, settings)
        require_pseudo_labels(supervision, "ccd")
        scores = self._scores()
        classes = scores.shape[1]
        self.floor = 1 / classes if settings.floor else 0.0
        sure = find_sure(scores, settings.sure_entropy)
        self.weights = torch.where(sure, torch.tensor(1.0), settings.unsure_weight)[:, None]
        self.bias = class_bias(scores, sure) if settings.debias else torch.ones(classes)
        self.targets = self._settle(self.debias(scores))
        given, epochs = settings.label_warmup, supervision.epochs
        self.warmup = min(5, max(1, epochs // 2)) if given is None else given
        if settings.relabel:
            self.look_epoch = self.warmup
            if self.warmup >= epochs:
                raise CdulEdgeError(
                    f"the method ccd looks again after epoch {self.warmup} of {epochs}: give more "
                    "--epochs, an earlier --set label_warmup, or --set relabel=off"
                )

    @property
    def reads_pictures(self) -> bool:
        return self.settings.consistency > 0

    def loss(self, step: Step) -> Tensor:
        targets = step.rows(self.targets)
        if step.epoch <= self.warmup:
            return F.binary_cross_entropy_with_logits(step.logits, targets)
        weights = step.rows(self.weights)
        loss = F.binary_cross_entropy_with_logits(step.logits, targets, weight=weights)
        if self.settings.consistency > 0:
            answer = step.network(step.another_view())
            wanted = step.logits.detach().sigmoid()
            other = F.binary_cross_entropy_with_logits(answer, wanted)
            loss = loss + self.settings.consistency * other
        return loss

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        if epoch != self.look_epoch:
            return {}
        return self.take_look(context.look(self.choose_regions(context.logits())))

    def choose_regions(self, logits: Tensor) -> Regions:
        """Where the network of these logits (N, C) sees something."""
        scores = logits.sigmoid()
        self.threshold = find_threshold(scores, self._classes_per_picture())
        wanted = scores >= self.threshold
        return Regions(wanted, self.settings.share, self.settings.grow)

    def take_look(self, scores: Tensor) -> Log:
        """Revise the labels by what CLIP saw, (N, C) as `EpochEnd.look` gives it."""
        seen, before = scores.any(dim=1), self.targets
        mixed = torch.lerp(self.debias(scores), before, self.settings.old_share)
        self.targets = self._settle(torch.where(seen[:, None], mixed, before))
        after = self.targets
        return {
            "look_threshold": self.threshold,
            "pictures_seen_again": float(seen.float().mean()),
            "label_row_sum": float(after.sum(dim=1).mean()),
            "labels_crossed_up": float(((before < 0.5) & (after >= 0.5)).float().mean()),
            "labels_crossed_down": float(((before >= 0.5) & (after < 0.5)).float().mean()),
        }

    def debias(self, scores: Tensor) -> Tensor:
        """(N, C) scores over each class's bias; not clipped at 1, so that mixing comes first."""
        return scores.clamp(min=self.floor) / self.bias

    def _settle(self, labels: Tensor) -> Tensor:
        cut = labels.clamp(0.0, 1.0)
        chosen = harden(cut) if self.supervision.hard else cut
        return keep_observed(chosen, self.supervision.observed)

    def _scores(self) -> Tensor:
        """(N, C) what the method starts from."""
        known = self.supervision
        if self.settings.source == "scores":
            return known.scores
        if known.cosines is None:
            raise CdulEdgeError(
                "the method ccd with source=cosines needs CLIP's similarities, which these labels "
                "do not hold: label the pictures again, or leave source=cosines out"
            )
        return torch.softmax(known.cosines / self.settings.temperature, dim=1)

    def _classes_per_picture(self) -> float:
        given, classes = self.settings.classes_per_picture, self.targets.shape[1]
        return min(5.0, max(2.0, classes / 4)) if given is None else given
