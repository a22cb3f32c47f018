"""From cosines of views to one score a class (CDUL, section 3.1)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import Floats, softmax
from cdul_edge.labelling.score.choices import Fusion, Strategy
from cdul_edge.labels.settings import Snippets
from cdul_edge_runtime.errors import CdulEdgeError

# No CLIP has a higher temperature (they start at 0.07); ln(100) = 4.6 is the mistake to catch.
MAX_TEMPERATURE = 0.5

_NO_MEAN = (
    "these similarities hold only each class's best and worst snippet, not their average: use "
    "--strategy evidence, cdul, max or global"
)


@dataclass(frozen=True)
class Aggregation:
    """How the views of a picture become its scores.

    Attributes:
        temperature: divides the cosines before the softmax over the classes.
        strategy: how snippets are merged. "cdul": a class that any snippet shows takes its best
            snippet, any other its worst; "max", "average": the best and the mean snippet;
            "global": the whole picture only; "cosine-mean": one softmax of the mean of the whole
            picture's cosine and the snippets' mean cosine (Singh & Ahmad's variant of CDUL).
            "evidence" and "patches" are of whole sets: not here (evidence.py, patches/).
        zeta: softmax value from which a snippet shows a class.
        fusion: "half": whole picture and merged snippets count the same; "pooled": the whole
            picture is one more snippet (CDUL, table 3; for max and average).
        balance: lambda of (G + L + lambda |G - L|) / 2; 0 is the mean, 1 the larger of the two.
        cached: the temperature that imported softmax values were made with; it may be used as it
            is, however high.

    Raises:
        CdulEdgeError: a value out of its range, or two that exclude each other.
    """

    temperature: float
    strategy: Strategy = "cdul"
    zeta: float = 0.2
    fusion: Fusion = "half"
    balance: float = 0.0
    cached: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise CdulEdgeError(f"the temperature {self.temperature} is not above 0")
        if self.temperature > MAX_TEMPERATURE and self.temperature != self.cached:
            raise CdulEdgeError(
                f"the temperature {self.temperature:g} is above {MAX_TEMPERATURE}: was logit_scale "
                "(ln 100 = 4.605) given instead of 1/exp(logit_scale) = 0.01?"
            )
        if not 0 <= self.balance <= 1:
            raise CdulEdgeError(f"the balance {self.balance} is not in [0, 1]")
        if math.isnan(self.zeta):
            raise CdulEdgeError("zeta is not a number")
        if self.fusion == "pooled" and (self.strategy not in ("max", "average") or self.balance):
            raise CdulEdgeError(
                "pooled fusion is defined for the strategies max and average, without a balance: "
                "use --fusion half"
            )
        if self.strategy == "cosine-mean" and self.balance:
            raise CdulEdgeError("lambda weighs two scores, and cosine-mean has one: drop --lambda")

    def scores(self, cosines: Floats, snippets: Snippets = "all") -> npt.NDArray[np.float32]:
        """Merge views.

        Args:
            cosines: (N, V, C), row 0 of V the whole picture; a constant added to one view's
                cosines changes nothing.
            snippets: what the other rows are.

        Returns:
            (N, C) float32 in [0, 1]; rows need not sum to 1.
        """
        assert self.strategy not in ("evidence", "patches"), "a picture alone is not enough"
        if self.strategy == "cosine-mean":
            return self._soften_mean(cosines, snippets)
        as_cached = self.temperature == self.cached and snippets == "extremes"
        shares = softmax(cosines[:, :1], self.temperature)
        whole = shares[:, 0]
        if self.strategy == "global":
            return whole.astype(np.float32)
        rows = cosines[:, 1:]
        # extremes are no one snippet's softmax and need not sum to 1: as cached they are kept
        local = _shares(rows, self.temperature) if as_cached else softmax(rows, self.temperature)
        best, worst = local.max(axis=1), local.min(axis=1)
        if snippets == "extremes":
            best, worst = local[:, 0], np.minimum(local[:, 0], local[:, 1])
        if self.strategy == "average":
            merged = self._mean(whole, local, snippets)
        elif self.strategy == "max":
            merged = best
        else:
            merged = np.where(best >= self.zeta, best, worst)
        return self._fuse(whole, merged).astype(np.float32)

    def to_dict(self) -> dict[str, object]:
        """Plain values for a manifest."""
        return asdict(self)

    def _soften_mean(self, cosines: Floats, snippets: Snippets) -> npt.NDArray[np.float32]:
        if snippets == "extremes":
            raise CdulEdgeError(_NO_MEAN)
        mean = (cosines[:, 0] + cosines[:, 1:].mean(axis=1)) / 2
        return softmax(mean, self.temperature).astype(np.float32)

    def _mean(self, whole: Floats, local: Floats, snippets: Snippets) -> Floats:
        if snippets == "extremes":
            raise CdulEdgeError(_NO_MEAN)
        mean: Floats = local.mean(axis=1)
        if self.fusion == "pooled":
            count = local.shape[1]
            mean = (whole + mean * count) / (count + 1)
        return mean

    def _fuse(self, whole: Floats, merged: Floats) -> Floats:
        if self.fusion == "pooled":
            pooled: Floats = np.maximum(whole, merged) if self.strategy == "max" else merged
            return pooled
        fused: Floats = (whole + merged + self.balance * np.abs(whole - merged)) / 2
        return np.clip(fused, 0.0, 1.0)  # rounding may reach 1 + 1e-16


def _shares(cosines: Floats, temperature: float) -> Floats:
    """Undo t ln(C p), which is how imported softmax values p are stored."""
    values: Floats = np.exp(cosines.astype(np.float64) / temperature) / cosines.shape[-1]
    return np.clip(values, 0.0, 1.0)
