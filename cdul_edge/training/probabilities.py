"""Scores that mean what they say: how sure a network may be is learned from pictures set aside.

A network that learned from soft labels for a few epochs is not sure enough, and one that saw its
pictures too often is too sure; on those pictures themselves it cannot be seen. So a few are kept
out of training, and their pseudo-labels say by how much its log-odds are to be multiplied (Guo et
al. 2017, On Calibration of Modern Neural Networks, section 4.2, with labels that nobody gave).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods.base import Supervision, keep_observed
from cdul_edge.training.networks.heads import find_heads
from cdul_edge_runtime.metrics.doubt import find_shifts

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]

UNTOLD = (
    "the labels of the pictures set aside cannot be told from the network's scores, so these are "
    "no probabilities: train longer, or look at the labels"
)
_EDGE = 1e-7  # thresholds of 0 and 1 have no log-odds
_ROUNDING = 1e-6  # of a score in float32, as a share of it
_SHARE = 16  # at most one picture in so many is set aside
_FEWEST = 16  # fewer tell little, and their set is small enough to need them all
_SLOPES = np.geomspace(1 / 8, 8, 49)
_ENOUGH = 2000  # pictures that the shifts are found on while slopes are tried


@dataclass(frozen=True)
class ScoreScale:
    """What a network's logits are multiplied with and raised by, so that its scores are calibrated.

    Attributes:
        slope: one for all classes.
        shifts: (C,) that keep each class's mean score at the mean of its labels.
    """

    slope: float
    shifts: Doubles

    def logits(self, logits: Tensor) -> Tensor:
        """(N, C) logits on the new scale."""
        return logits * self.slope + torch.from_numpy(self.shifts).to(logits)

    def thresholds(self, thresholds: Floats) -> npt.NDArray[np.float32]:
        """(C,) thresholds on the new scale: they decide as before; +inf, never, stays."""
        never = ~np.isfinite(thresholds)
        inside = np.clip(np.where(never, 0.5, thresholds).astype(np.float64), _EDGE, 1 - _EDGE)
        moved = self.slope * np.log(inside / (1 - inside)) + self.shifts
        # A threshold is often a picture's own score, which rounding must not push below it.
        kept = (1 - _ROUNDING) / (1 + np.exp(-moved))
        return np.where(never, np.inf, kept).astype(np.float32)


def settle_set_aside(wanted: int, pictures: int) -> int:
    """How many of so many pictures are set aside where `wanted` were asked for."""
    count = min(wanted, pictures // _SHARE)
    return count if count >= _FEWEST else 0


def choose_set_aside(config: TrainConfig, known: Supervision, network: nn.Module) -> Tensor:
    """Numbers of the pictures that training never shows, ascending; (H,) int64.

    There are none where they would be too few, where no pseudo-label tells of them, or where the
    network cannot take up what they would tell.
    """
    pictures = len(known.scores)
    count = settle_set_aside(config.set_aside, pictures)
    if not count or known.observed_only or not can_scale(network):
        return torch.zeros(0, dtype=torch.int64)
    draws = torch.Generator().manual_seed(config.seed)
    return torch.randperm(pictures, generator=draws)[:count].sort().values


def can_scale(network: nn.Module) -> bool:
    """Whether the last layer can take another scale: it is linear, and has a bias to shift."""
    layers = [network.get_submodule(name) for name in find_heads(network)]
    return all(isinstance(layer, nn.Linear) and layer.bias is not None for layer in layers)


def fit_scale(logits: Tensor, known: Supervision, set_aside: Tensor) -> ScoreScale | None:
    """Find the slope that makes the labels of the pictures set aside likeliest.

    Args:
        logits: (N, C) of the labeled pictures, unaugmented.
        known: their first labels, which no prediction has changed.
        set_aside: (H,) the pictures that training never showed.

    Returns:
        The scale; None where the labels cannot be told from the logits, so that no slope between
        1/8 and 8 is best.
    """
    labels = keep_observed(known.scores.clone(), known.observed).double().numpy()
    values = logits.double().numpy()
    unseen = np.zeros(len(values), np.bool_)
    unseen[set_aside.numpy()] = True
    seen = np.flatnonzero(~unseen)
    few = seen[:: -(-len(seen) // _ENOUGH)]
    losses = []
    for slope in _SLOPES:
        shifts = _shifts(slope * values[few], labels[few])
        losses.append(_cross_entropy(slope * values[unseen] + shifts, labels[unseen]))
    best = int(np.argmin(losses))
    if best in (0, len(_SLOPES) - 1):
        return None
    slope = float(_SLOPES[best])
    return ScoreScale(slope, _shifts(slope * values[seen], labels[seen]))


def apply_scale(network: nn.Module, scale: ScoreScale) -> None:
    """Put the scale into the last layer, where it costs nothing and survives every export."""
    with torch.no_grad():
        for name in find_heads(network):
            layer = network.get_submodule(name)
            assert isinstance(layer, nn.Linear)
            layer.weight.mul_(scale.slope)
            layer.bias.mul_(scale.slope).add_(torch.from_numpy(scale.shifts).to(layer.bias))


def _shifts(logits: Doubles, labels: Doubles) -> Doubles:
    return find_shifts(logits.T, np.ones(len(logits)), labels.sum(axis=0))


def _cross_entropy(logits: Doubles, labels: Doubles) -> float:
    """Mean of log(1 + e^x) - y x, the binary cross-entropy of a logit x and a soft label y."""
    return float(np.mean(np.logaddexp(0, logits) - labels * logits))
