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
from cdul_edge.study.outcome import read_finished
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.errors import CdulEdgeError
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


def read_maps(
    study: Path, rows: Sequence[Row], seeds: Sequence[int]
) -> dict[Side, dict[int, float]]:
    """Held-out mAP of the finished cells of a study's folder, by side and seed."""
    found: dict[Side, dict[int, float]] = {}
    for strategy, method, level in rows:
        for seed in seeds:
            cell = study / "cells" / Cell(strategy, method, level, seed).path.with_suffix(".json")
            value = read_finished(cell).measures["heldout_map"] if cell.is_file() else None
            if value is not None:
                found.setdefault(Side(method, level), {})[seed] = value
    return found


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
    studies: Sequence[Path], heldout: Photographs, seeds: Sequence[int]
) -> dict[str, list[dict[str, object]]]:
    """Cells and claims of `published_settings`, as far as the studies' folders have run them.

    Figures are of the reported classes of the held-out photographs.
    """
    scores: dict[Side, dict[int, Scores]] = {}
    maps: dict[Side, dict[int, float]] = {}
    truth: Truth = np.zeros((0, 0), np.int8)
    for study in reversed(studies):  # the first folder that has a run counts
        for side, values in read_maps(study, PUBLISHED, seeds).items():
            maps.setdefault(side, {}).update(values)
        for side, by_seed in read_scores(study, PUBLISHED, seeds).items():
            for seed, scored in by_seed.items():
                columns = reported_columns(scored.classes)
                pictures, labels = heldout.heldout_truth(scored.classes)
                if pictures.paths != scored.paths:
                    raise CdulEdgeError(f"the scores of {side.method} are not of {heldout.heldout}")
                truth = labels[:, columns]
                scores.setdefault(side, {})[seed] = scored.scores[:, columns]
    if not maps:
        raise CdulEdgeError("no run of the published settings is finished")
    claims = [judge_claim(claim, scores, truth, maps).to_dict() for claim in CLAIMS]
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
