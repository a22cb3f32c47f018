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
from cdul_edge_runtime.bundle.log_odds import find_shifts, sigmoid

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]

UNTOLD = (
    "the labels of the pictures set aside cannot be told from the network's scores, so these are "
    "no probabilities: train longer, or look at the labels"
)
# Thresholds of 0 and 1 have no log-odds: the nearest to them that a float32 can be.
_LOWEST, _HIGHEST = float(np.finfo(np.float32).tiny), 1 - 2.0**-24
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
        inside = np.clip(np.where(never, 0.5, thresholds).astype(np.float64), _LOWEST, _HIGHEST)
        moved = self.slope * np.log(inside / (1 - inside)) + self.shifts
        # A threshold is often a picture's own score, which rounding must not push below it.
        kept = (1 - _ROUNDING) * sigmoid(moved)
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


def scale_head(network: nn.Module, scale: ScoreScale) -> dict[str, Tensor]:
    """The last layer's weights on the new scale, by name; the network keeps its own."""
    scaled = {}
    for name in find_heads(network):
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        shifts = torch.from_numpy(scale.shifts).to(layer.bias)
        scaled[f"{name}.weight"] = layer.weight.detach() * scale.slope
        scaled[f"{name}.bias"] = layer.bias.detach() * scale.slope + shifts
    return scaled


def apply_scale(network: nn.Module, scale: ScoreScale) -> None:
    """Put the scale into the last layer, where it costs nothing and survives every export."""
    network.load_state_dict(scale_head(network, scale), strict=False)


def _shifts(logits: Doubles, labels: Doubles) -> Doubles:
    return find_shifts(logits.T, np.ones(len(logits)), labels.sum(axis=0))


def _cross_entropy(logits: Doubles, labels: Doubles) -> float:
    """Mean of log(1 + e^x) - y x, the binary cross-entropy of a logit x and a soft label y."""
    return float(np.mean(np.logaddexp(0, logits) - labels * logits))
