"""Figures of `benchmarks.real_world`, from the scores that finished runs kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.photographs import REPORTED, reported_columns
from benchmarks.world_rows import STRATEGIES, Comparison
from cdul_edge.labelling import ImportRequest, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import take_rows
from cdul_edge.study.cells import Cell, Row
from cdul_edge.study.outcome import Finished, read_finished
from cdul_edge.study.variants import STRATEGIES as WAYS_TO_LABEL
from cdul_edge.training.run_folder import HELD_OUT
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.verdict import Estimate
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.bootstrap import estimate_mean, estimate_mean_gain, estimate_mean_map
from cdul_edge_runtime.metrics.metrics import evaluate_scores, mean_average_precision
from cdul_edge_runtime.metrics.truth import TruthTable, read_truth
from cdul_edge_runtime.pictures.images import find_images

Scores = npt.NDArray[np.float32]
Truth = npt.NDArray[np.int8]
JUDGED = ClassList(REPORTED)


class Judged(NamedTuple):
    """What scores of the reported classes are worth, percent.

    Attributes:
        scores: (V, 8); None where a run's were not kept, and its figures are those of its cell.
        best_f1: macro F1 at the best thresholds; NaN without scores.
    """

    scores: Scores | None
    map: float
    ap: Mapping[str, float]
    macro_f1: float
    ece: float
    best_f1: float


@dataclass(frozen=True, eq=False)
class FinishedRow:
    """The finished cells of a row.

    Attributes:
        truth: (V, 8) of the pictures that judge, the same for every row.
        runs, seconds: by seed; of the steps alone.
    """

    row: Row
    truth: Truth
    runs: Mapping[int, Judged]
    seconds: Mapping[int, float]

    def to_dict(self) -> dict[str, object]:
        """Means over the seeds, and the 95 % interval of the mean mAP over pictures."""
        strategy, method, level = self.row
        maps = [one.map for one in self.runs.values()]
        return {
            "strategy": strategy,
            "method": method,
            "level": level,
            "seeds": {str(seed): _round(one.map) for seed, one in self.runs.items()},
            "map": _round(fmean(maps)),
            "map_deviation": _round(stdev(maps)) if len(maps) > 1 else None,
            **self._interval(),
            "ap": {
                name: _round(fmean(one.ap[name] for one in self.runs.values())) for name in REPORTED
            },
            **_mean_quality(list(self.runs.values())),
            "seconds": _round(fmean(self.seconds.values())),
        }

    def _interval(self) -> dict[str, object]:
        """Of the mean over those seeds whose scores were kept."""
        scores = {seed: one.scores for seed, one in self.runs.items() if one.scores is not None}
        if not scores:
            return {"map_interval": [None, None]}
        interval = ends(estimate_mean_map(list(scores.values()), self.truth))
        if len(scores) == len(self.runs):
            return {"map_interval": interval}
        return {"map_interval": interval, "map_interval_seeds": list(scores)}


class Judges(NamedTuple):
    """The pictures that judge, and what they show: (V, 8) of the reported classes."""

    paths: tuple[str, ...]
    truth: Truth

    @classmethod
    def read(cls, pictures: Path, truth: Path) -> Judges:
        """Of a folder or list of pictures, and a truth file."""
        found = find_images(pictures)
        return cls(found.paths, read_truth(truth).for_paths(found.paths, JUDGED, found.root))


def read_row(
    studies: Sequence[Path], row: Row, seeds: Sequence[int], judges: Judges
) -> FinishedRow | None:
    """The finished cells of a row, each from the first folder that has it; None without any.

    Raises:
        CdulEdgeError: cells of other settings than the first's, or scores of other pictures.
    """
    runs: dict[int, Judged] = {}
    seconds: dict[int, float] = {}
    first: Finished | None = None
    for seed in seeds:
        cell = Cell(*row, seed)
        name = cell.path.with_suffix(".json")
        study = next((one for one in studies if (one / "cells" / name).is_file()), None)
        if study is None:
            continue
        outcome = read_finished(study / "cells" / name)
        first = first or outcome
        if different := _differences(first, outcome):
            raise CdulEdgeError(
                f"{study / 'cells' / name} was made with other settings than seed "
                f"{first.settings.seed}: {', '.join(different)}: report these folders apart"
            )
        seconds[seed] = outcome.measures["seconds"] or math.nan
        scores = study / "runs" / cell.path / HELD_OUT
        if not scores.is_file():
            runs[seed] = _judged_before(outcome)
            continue
        scored = PseudoLabels.read(scores)
        if scored.paths != judges.paths:
            raise CdulEdgeError(f"{scores} holds scores of other pictures than those that judge")
        runs[seed] = judge(scored, judges.truth)
    return FinishedRow(row, judges.truth, runs, seconds) if runs else None


def _differences(first: Finished, other: Finished) -> list[str]:
    """Settings of another seed's run that differ; each folder names its own file of weights."""
    mine = first.settings
    settings = replace(other.settings, seed=mine.seed, weights=mine.weights)
    return mine.differences(settings)


def _judged_before(outcome: Finished) -> Judged:
    """What a cell says of itself."""
    found = outcome.measures
    values = found["heldout_map"], found["heldout_macro_f1"], found["heldout_ece"]
    score, f1, ece = (math.nan if value is None else value for value in values)
    ap = {name: math.nan if value is None else value for name, value in outcome.ap.items()}
    return Judged(None, score, ap, f1, ece, math.nan)


def judge(scored: PseudoLabels, truth: Truth) -> Judged:
    """Scores of the reported classes at their own thresholds, and at the best ones there are."""
    columns = reported_columns(scored.classes)
    scores = scored.scores[:, columns]
    report = evaluate_scores(scores, truth, JUDGED, scored.thresholds[columns])
    best = best_macro_f1(scores, truth)
    return Judged(scores, report.map, report.ap, report.macro_f1, report.ece, best)


def best_macro_f1(scores: Scores, truth: Truth) -> float:
    """Macro F1 in percent with each class at the threshold that is best for it in the truth."""
    best = []
    for column in range(scores.shape[1]):
        known = truth[:, column] >= 0
        positive = truth[known, column] == 1
        if not positive.any():
            continue
        ranked = np.argsort(-scores[known, column], kind="stable")
        values = scores[known, column][ranked]
        hits = np.cumsum(positive[ranked])
        last_of_tie = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
        f1 = 2 * hits[last_of_tie] / (last_of_tie + 1 + positive.sum())
        best.append(float(f1.max()))
    return 100 * fmean(best) if best else math.nan


def compare(comparison: Comparison, rows: Mapping[Row, FinishedRow]) -> dict[str, object] | None:
    """What one row gains over another, by seed, with both intervals; None unless both were run."""
    better, worse = rows.get(comparison.better), rows.get(comparison.worse)
    seeds = sorted(set(better.runs) & set(worse.runs)) if better and worse else []
    if better is None or worse is None or not seeds:
        return None
    gains = {seed: better.runs[seed].map - worse.runs[seed].map for seed in seeds}
    means = [fmean(one.runs[s].map for s in seeds) for one in (better, worse)]
    return {
        "comparison": comparison.name,
        "better": list(comparison.better),
        "worse": list(comparison.worse),
        "gains": {str(seed): _round(gain) for seed, gain in gains.items()},
        "mean": _round(fmean(gains.values())),
        "ratio": _round(100 * means[0] / means[1]),
        "over_seeds": ends(estimate_mean(list(gains.values()))),
        **_over_pictures(better, worse, seeds),
    }


def _over_pictures(
    better: FinishedRow, worse: FinishedRow, seeds: Sequence[int]
) -> dict[str, object]:
    """The gain's interval over pictures, of those seeds of which both sides have scores."""
    pairs = {
        seed: (one, other)
        for seed in seeds
        if (one := better.runs[seed].scores) is not None
        and (other := worse.runs[seed].scores) is not None
    }
    if not pairs:
        return {"over_pictures": [None, None]}
    first, second = zip(*pairs.values(), strict=True)
    found: dict[str, object] = {
        "over_pictures": ends(estimate_mean_gain(first, second, better.truth))
    }
    return found if len(pairs) == len(seeds) else {**found, "over_pictures_seeds": list(pairs)}


def judge_labels(similarities: Path, table: TruthTable, work: Path) -> list[dict[str, object]]:
    """Labels of every way to label, on the pictures with truth; all rows of the file make them."""
    found: list[dict[str, object]] = []
    for name in STRATEGIES:
        scoring = WAYS_TO_LABEL[name].scoring
        label(ImportRequest(similarities, work, scoring=scoring), SilentConsole())
        labels = PseudoLabels.read(work)
        whole = table.for_paths(labels.paths, labels.classes)
        known = np.flatnonzero((whole >= 0).all(axis=1))
        if not len(known):
            raise CdulEdgeError(f"the truth knows none of the pictures of {similarities}")
        some, truth = take_rows(labels, known), whole[known]
        judged = judge(some, truth[:, reported_columns(labels.classes)])
        found.append(
            {
                "labels": name,
                "pictures": len(known),
                "map": _round(judged.map),
                "map_all_classes": _round(mean_average_precision(some.scores, truth)),
                "ap": {name: _round(value) for name, value in judged.ap.items()},
                **_mean_quality([judged]),
            }
        )
    return found


def ends(estimate: Estimate) -> list[float | None]:
    """Both ends of an interval; JSON has no infinity."""
    return [_round(end) for end in (estimate.low, estimate.high)]


def _mean_quality(judged: Sequence[Judged]) -> dict[str, float | None]:
    """Means over the runs; what the best thresholds give is of those whose scores were kept."""
    kept = [one for one in judged if math.isfinite(one.best_f1)]
    best = fmean(one.best_f1 for one in kept) if kept else math.nan
    share = 100 * fmean(one.macro_f1 for one in kept) / best if best > 0 else math.nan
    return {
        "macro_f1": _round(fmean(one.macro_f1 for one in judged)),
        "macro_f1_best": _round(best),
        "f1_share": _round(share),
        "ece": _round(fmean(one.ece for one in judged)),
    }


def _round(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
