"""How far scores may be from probabilities, as a distribution that labels can be drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.log_odds import find_shifts, sigmoid
from cdul_edge_runtime.errors import CdulEdgeError

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any] | np.integer[Any]]

_NODES = 33  # slopes at which the shift is looked for; it is smooth between them


@dataclass(frozen=True)
class Doubt:
    """How far a class's scores may be from calibrated probabilities.

    The log-odds x of a class's scores become b x + a(b) + d (Platt 1999): b is a log-normal slope,
    a(b) keeps the number of positives that the scores promise, and d is a normal shift. Shifts are
    drawn for each class, slopes partly for all together: what made all scores erred in one way.

    Attributes:
        slope: median of the slopes; below 1 for scores that are surer than they should be.
        slope_spread: standard deviation of the logarithm of each class's own factor on it.
        common_spread: standard deviation of the logarithm of the classes' common factor.
        shift_spread: standard deviation of the shifts.
    """

    slope: float = 1.0
    slope_spread: float = 0.0
    common_spread: float = 0.0
    shift_spread: float = 0.0

    def __post_init__(self) -> None:
        spreads = (self.slope_spread, self.common_spread, self.shift_spread)
        if not (0 < self.slope < np.inf and all(0 <= spread < np.inf for spread in spreads)):
            raise CdulEdgeError(f"{self}: expected a slope above 0 and spreads of 0 or more")

    def draw_probabilities(
        self,
        scores: Doubles,
        logits: Doubles,
        counts: Floats,
        common: Doubles,
        generator: np.random.Generator,
    ) -> Doubles:
        """What one class's scores may mean.

        Args:
            scores: (G,) of groups of pictures, in [0, 1].
            logits: (G,) their log-odds, finite.
            counts: (G,) pictures of each group.
            common: (D,) standard normal, the classes' common share of each draw.
            generator: to draw the class's own with.

        Returns:
            (D, G) probabilities, one row per draw; the scores themselves without a doubt.
        """
        if self == CALIBRATED:
            return np.broadcast_to(scores, (len(common), len(scores)))
        bends, shifts = generator.standard_normal((2, len(common)))
        logarithms = self.slope_spread * bends + self.common_spread * common
        nodes = np.linspace(logarithms.min(), logarithms.max(), _NODES)
        steep = self.slope * np.exp(nodes)[:, None] * logits
        levels = find_shifts(steep, counts, counts @ scores)
        shift = np.interp(logarithms, nodes, levels) + self.shift_spread * shifts
        slopes = self.slope * np.exp(logarithms)
        return sigmoid(slopes[:, None] * logits + shift[:, None])


CALIBRATED = Doubt()
# Measured on photographs (`python -m benchmarks.expected`): labels of `--strategy evidence` are
# surer than they should be, a network that learned from them is not.
LABELS_DOUBT = Doubt(slope=0.72, slope_spread=0.18, common_spread=0.1, shift_spread=1.2)
PREDICTIONS_DOUBT = Doubt(slope=1.0, slope_spread=0.22, common_spread=0.12, shift_spread=0.8)
