"""Which value a rank stands for: learned from some pictures, asked of any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdul_edge.labelling.arrays import Doubles, Floats, Singles

# The steepness beyond the table is that of its outermost hundredth.
_OUTERMOST = 100
_LEAST = 1e-7


@dataclass(frozen=True)
class RankTable:
    """Values of K ranks; neither ever falls.

    Every rank that was learned from is in it: as 10,000 pictures give 80 kB a class, none needs to
    be left out, and asked again they have their own values, to the bit.

    Attributes:
        ranks: (K,) ascending, each once.
        values: (K,) in [0, 1], ascending.
    """

    ranks: Singles
    values: Singles

    def of(self, ranks: Floats) -> Doubles:
        """Values of (M,) ranks, by straight lines between the known ones.

        Beyond them, the log-odds go on as steeply as they came, and flatten as the logarithm does:
        a picture that beats all that were learned from ranks above them, and is not certain.
        """
        found: Doubles = np.interp(ranks, self.ranks, self.values)
        step = max(1, len(self.ranks) // _OUTERMOST)
        for edge, inner, sign in ((-1, -1 - step, 1), (0, step, -1)):
            beyond = sign * (ranks - self.ranks[edge]) > 0
            if len(self.ranks) > 1 and beyond.any():
                inner = max(-len(self.ranks), min(inner, len(self.ranks) - 1))
                found[beyond] = self._extend(ranks[beyond], edge, inner, sign)
        return found

    def _extend(self, ranks: Floats, edge: int, inner: int, sign: int) -> Doubles:
        odds, within = (_log_odds(float(self.values[place])) for place in (edge, inner))
        distance = float(self.ranks[edge]) - float(self.ranks[inner])
        steepness = (odds - within) / distance
        beyond = np.abs(ranks.astype(np.float64) - float(self.ranks[edge]))
        reached = 1 / (1 + np.exp(-(odds + sign * np.log1p(steepness * beyond))))
        known = float(self.values[edge])
        return np.asarray(np.maximum(reached, known) if sign > 0 else np.minimum(reached, known))


def tabulate_ranks(ranks: Floats, values: Floats) -> RankTable:
    """The values in the order of the ranks; what ranks the same gets the mean.

    Args:
        ranks: (N,) of some pictures.
        values: (N,) to be given to them, in whatever order.
    """
    known, count = np.unique(ranks, return_counts=True)
    ends = np.cumsum(count)
    sums = np.concatenate([[0.0], np.cumsum(np.sort(values))])
    means = (sums[ends] - sums[ends - count]) / count
    return RankTable(known.astype(np.float32), means.astype(np.float32))


def _log_odds(value: float) -> float:
    inside = min(max(value, _LEAST), 1 - _LEAST)
    return float(np.log(inside / (1 - inside)))
