"""Whether one way to learn beats another: the same seeds, the same held-out pictures, intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks.photographs import Photographs, reported_columns
from benchmarks.published_settings import CLAIMS, PUBLISHED, Claim, Side
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.study.cells import Cell, Row
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.bootstrap import estimate_mean, estimate_mean_gain
from cdul_edge_runtime.metrics.metrics import mean_average_precision

Verdict = Literal["holds", "does not hold", "cannot tell", "not run"]
Scores = npt.NDArray[np.float32]
Truth = npt.NDArray[np.int8]
# Of each side its held-out scores (V, C) by seed.
ScoresOf = Mapping[Side, Mapping[int, Scores]]


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
        if self.over_seeds is None or self.over_pictures is None:
            return "not run"
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


def judge_claim(claim: Claim, scores: ScoresOf, truth: Truth) -> Finding:
    """Compare the runs that both sides have of a seed; truth is (V, C)."""
    better, worse = scores.get(claim.better, {}), scores.get(claim.worse, {})
    seeds = sorted(set(better) & set(worse))
    if not seeds:
        return Finding(claim, {})
    gains = {
        seed: mean_average_precision(better[seed], truth)
        - mean_average_precision(worse[seed], truth)
        for seed in seeds
    }
    pairs = [better[seed] for seed in seeds], [worse[seed] for seed in seeds]
    over_pictures = estimate_mean_gain(*pairs, truth)
    return Finding(claim, gains, estimate_mean(list(gains.values())), over_pictures)


def read_scores(
    study: Path, rows: Sequence[Row], seeds: Sequence[int]
) -> dict[Side, dict[int, PseudoLabels]]:
    """Held-out scores that the finished runs of a study's folder kept, by side and seed."""
    found: dict[Side, dict[int, PseudoLabels]] = {}
    for strategy, method, level in rows:
        for seed in seeds:
            run = study / "runs" / Cell(strategy, method, level, seed).path
            file = run / "heldout_scores.parquet"
            if (run / "summary.json").is_file() and file.is_file():
                found.setdefault(Side(method, level), {})[seed] = PseudoLabels.read(file)
    return found


def judge_published(
    study: Path, heldout: Photographs, seeds: Sequence[int]
) -> dict[str, list[dict[str, object]]]:
    """Cells and claims of `published_settings`, as far as a study's folder has run them.

    Figures are of the reported classes of the held-out photographs.
    """
    found: dict[Side, dict[int, Scores]] = {}
    truth: Truth | None = None
    for side, by_seed in read_scores(study, PUBLISHED, seeds).items():
        for seed, scored in by_seed.items():
            columns = reported_columns(scored.classes)
            pictures, labels = heldout.heldout_truth(scored.classes)
            if pictures.paths != scored.paths:
                raise CdulEdgeError(f"the scores of {side.method} are not of {heldout.heldout}")
            truth = labels[:, columns]
            found.setdefault(side, {})[seed] = scored.scores[:, columns]
    if truth is None:
        raise CdulEdgeError(f"{study} holds no finished run of the published settings")
    claims = [judge_claim(claim, found, truth).to_dict() for claim in CLAIMS]
    return {"cells": describe_cells(found, truth), "claims": claims}


def describe_cells(scores: ScoresOf, truth: Truth) -> list[dict[str, object]]:
    """Held-out mAP of each side by seed, as a result file holds it."""
    return [
        {
            "method": side.method,
            "level": side.level,
            "map": {
                str(seed): round(mean_average_precision(one, truth), 2)
                for seed, one in by_seed.items()
            },
        }
        for side, by_seed in scores.items()
    ]


def _interval(estimate: Estimate | None) -> list[float | None] | None:
    """JSON has no infinity."""
    if estimate is None:
        return None
    ends = (estimate.low, estimate.high)
    return [round(end, 2) if math.isfinite(end) else None for end in ends]
