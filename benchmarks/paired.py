"""Whether one way to learn beats another: the same seeds, the same held-out pictures, intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks.published_settings import CLAIMS, Claim, Side
from benchmarks.world_figures import FinishedRow
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.metrics.bootstrap import estimate_mean, estimate_mean_gain
from cdul_edge_runtime.metrics.metrics import mean_average_precision

Verdict = Literal["holds", "does not hold", "cannot tell", "not run"]
Scores = npt.NDArray[np.float32]
Truth = npt.NDArray[np.int8]
# Of each side its held-out scores (V, C) by seed.
ScoresOf = Mapping[Side, Mapping[int, Scores]]
MapsOf = Mapping[Side, Mapping[int, float]]


@dataclass(frozen=True)
class Finding:
    """What paired runs say of a claim.

    Attributes:
        gains: points of held-out mAP by seed, better minus worse.
        over_seeds: their mean, with Student's interval: what another seed may bring.
        over_pictures: the same mean, with a paired bootstrap's interval: what other pictures may.
    """

    claim: Claim
    gains: Mapping[int, float]
    over_seeds: Estimate | None = None
    over_pictures: Estimate | None = None

    @property
    def verdict(self) -> Verdict:
        """A claim holds where both intervals lie above 0; it does not where both lie below."""
        if self.over_seeds is None:
            return "not run"
        if self.over_pictures is None:
            return "cannot tell"
        ends = (self.over_seeds, self.over_pictures)
        if all(one.low > 0 for one in ends):
            return "holds"
        return "does not hold" if all(one.high < 0 for one in ends) else "cannot tell"

    def to_dict(self) -> dict[str, object]:
        """Plain values, two digits."""
        return {
            "claim": self.claim.text,
            "better": list(self.claim.better),
            "worse": list(self.claim.worse),
            "gains": {str(seed): round(gain, 2) for seed, gain in self.gains.items()},
            "mean": None if self.over_seeds is None else round(self.over_seeds.value, 2),
            "over_seeds": _interval(self.over_seeds),
            "over_pictures": _interval(self.over_pictures),
            "verdict": self.verdict,
        }


def judge_claim(
    claim: Claim, scores: ScoresOf, truth: Truth, maps: MapsOf | None = None
) -> Finding:
    """Compare the runs that both sides have of a seed; truth is (V, C).

    Args:
        maps: mAP of each side by seed, of runs whose scores were not kept too; None takes those of
            the scores.
    """
    maps = maps_of(scores, truth) if maps is None else maps
    better, worse = maps.get(claim.better, {}), maps.get(claim.worse, {})
    seeds = sorted(set(better) & set(worse))
    if not seeds:
        return Finding(claim, {})
    gains = {seed: better[seed] - worse[seed] for seed in seeds}
    kept = [scores.get(side, {}) for side in (claim.better, claim.worse)]
    paired = [seed for seed in seeds if all(seed in one for one in kept)]
    over_pictures = None
    if paired:
        first, second = ([one[seed] for seed in paired] for one in kept)
        over_pictures = estimate_mean_gain(first, second, truth)
    return Finding(claim, gains, estimate_mean(list(gains.values())), over_pictures)


def maps_of(scores: ScoresOf, truth: Truth) -> dict[Side, dict[int, float]]:
    """mAP in percent of each side by seed."""
    return {
        side: {seed: mean_average_precision(one, truth) for seed, one in by_seed.items()}
        for side, by_seed in scores.items()
    }


def judge_published(rows: Sequence[FinishedRow]) -> dict[str, list[dict[str, object]]]:
    """Cells and claims of `published_settings`, as far as they have been run."""
    sides = [(Side(*one.row[1:]), one.runs) for one in rows]
    maps = {side: {seed: run.map for seed, run in runs.items()} for side, runs in sides}
    scores = {
        side: {seed: run.scores for seed, run in runs.items() if run.scores is not None}
        for side, runs in sides
    }
    claims = [judge_claim(claim, scores, rows[0].truth, maps).to_dict() for claim in CLAIMS]
    return {"cells": describe_cells(maps), "claims": claims}


def describe_cells(maps: MapsOf) -> list[dict[str, object]]:
    """Held-out mAP of each side by seed, as a result file holds it."""
    return [
        {
            "method": side.method,
            "level": side.level,
            "map": {str(seed): round(value, 2) for seed, value in sorted(by_seed.items())},
        }
        for side, by_seed in maps.items()
    ]


def _interval(estimate: Estimate | None) -> list[float | None] | None:
    """JSON has no infinity."""
    if estimate is None:
        return None
    ends = (estimate.low, estimate.high)
    return [round(end, 2) if math.isfinite(end) else None for end in ends]
