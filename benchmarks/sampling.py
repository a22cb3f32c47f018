"""How often the intervals of `evaluate --sampled` hold the truth.

The population is the 855 real photographs of which the truth is known, with the scores that
`cdul-edge label --from-similarities` gives them (`--strategy evidence`; no truth is read). For each
of the eight reported classes 500 samples are drawn, as `cdul-edge sample` draws them, answered by
the truth, and judged. A share of 95 % is known to 1 point (standard error) from 500 samples.

`samples_cdul` is the same with the scores of `--strategy cdul`, which are no probabilities.
`example` is what the two commands themselves say of one sample with 100 pictures per class.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.photographs import DATA, REPORTED
from benchmarks.record import record
from cdul_edge.front.sampled_evaluation import SampledRequest, evaluate_sample
from cdul_edge.front.sampling import SampleRequest, sample
from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labelling.score.choices import Strategy
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.sheet import read_sheet, write_sheet
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.score_strata import draw_pictures
from cdul_edge_runtime.metrics.stratified_f1 import (
    Answers,
    Figures,
    Range,
    estimate_figures,
    estimate_mean,
)
from cdul_edge_runtime.metrics.truth import read_truth

SIMILARITIES = DATA.parent / "voc2012-clip-rn50x64" / "similarities.npz"
TRUTH = DATA / "train_known.csv"
PER_CLASS = (10, 20, 50, 100, 200)
REPEATS = 500


@dataclass(frozen=True, eq=False)
class Known:
    """Scored pictures of which everything is known.

    Attributes:
        scores: (N, C) float32, decided by the (C,) `thresholds`.
        truth: (N, C) whether a picture shows a class.
    """

    paths: tuple[str, ...]
    classes: ClassList
    scores: npt.NDArray[np.float32]
    thresholds: npt.NDArray[np.float32]
    truth: npt.NDArray[np.bool_]


def read_known(strategy: Strategy = "evidence") -> Known:
    """The real photographs with their labels' scores, reported classes only."""
    with tempfile.TemporaryDirectory() as folder:
        request = ImportRequest(
            SIMILARITIES, Path(folder, "labels"), scoring=Scoring(strategy=strategy)
        )
        label(request, SilentConsole())
        labels = PseudoLabels.read(Path(folder, "labels"))
    classes = ClassList(REPORTED)
    truth = read_truth(TRUTH).for_paths(labels.paths, classes, None)
    rows = np.asarray((truth >= 0).all(axis=1))
    columns = [labels.classes.index(name) for name in REPORTED]
    return Known(
        paths=tuple(path for path, known in zip(labels.paths, rows.tolist(), strict=True) if known),
        classes=classes,
        scores=labels.scores[rows][:, columns],
        thresholds=labels.thresholds[columns],
        truth=truth[rows] == 1,
    )


def draw_often(known: Known, column: int, count: int, repeats: int) -> Answers:
    """One class's samples, answered by the truth, side by side."""
    scores, threshold = known.scores[:, column], float(known.thresholds[column])
    positive = []
    for seed in range(repeats):
        found = draw_pictures(scores, threshold, count, np.random.default_rng((column, seed)))
        yes = known.truth[found.pictures, column]
        positive.append(np.bincount(found.strata, yes, minlength=len(found.sizes)))
    sizes, drawn = (some.astype(np.float64) for some in (found.sizes, found.drawn))
    return Answers(found.above, sizes, drawn, np.array(positive))


def measure(known: Known, count: int, repeats: int = REPEATS) -> dict[str, Any]:
    """Coverage, width and bias of the figures, by class and on the mean; in percent."""
    predicted = known.scores >= known.thresholds
    f1: list[Range] = []
    truths: list[float] = []
    classes: dict[str, Any] = {}
    for column, name in enumerate(known.classes):
        found = estimate_figures(draw_often(known, column, count, repeats))
        hits = int((predicted & known.truth)[:, column].sum())
        said, there = int(predicted[:, column].sum()), int(known.truth[:, column].sum())
        true = (hits / said, hits / there, 2 * hits / (said + there))
        classes[name] = {
            key: _judge(figure, value)
            for key, figure, value in zip(Figures._fields, found, true, strict=True)
        }
        f1.append(found.f1)
        truths.append(true[2])
    every = Range(*(np.stack(parts, axis=1) for parts in zip(*f1, strict=True)))
    macro = _judge(Range(*estimate_mean(every)), float(np.mean(truths)))
    return {"per_class": count, "classes": classes, "macro_f1": macro}


def _judge(figure: Range, truth: float) -> dict[str, float]:
    inside = (figure.low <= truth + 1e-9) & (truth <= figure.high + 1e-9)
    return {
        "truth": round(100 * truth, 2),
        "mean": round(100 * float(np.nanmean(figure.value)), 2),
        "coverage": round(100 * float(inside.mean()), 1),
        "width": round(100 * float((figure.high - figure.low).mean()), 1),
    }


def show_example(known: Known, count: int) -> dict[str, Any]:
    """What the commands say of one sample that the truth has answered."""
    place = {name: column for column, name in enumerate(known.classes)}
    row = {path: number for number, path in enumerate(known.paths)}
    with tempfile.TemporaryDirectory() as folder:
        scores, sheet = Path(folder, "known.parquet"), Path(folder, "sheet.csv")
        labels = PseudoLabels(Path(), known.paths, known.classes, known.scores, known.thresholds)
        labels.write(scores)
        sample(SampleRequest(scores, sheet, per_class=count), SilentConsole())
        answered = [
            replace(one, answer="yes" if known.truth[row[one.path], place[one.name]] else "no")
            for one in read_sheet(sheet)
        ]
        write_sheet(sheet, answered)
        found = evaluate_sample(SampledRequest(scores, sheet)).to_dict()
    kept: dict[str, Any] = {key: found[key] for key in ("pictures", "classes", "macro_f1")}
    rounded: dict[str, Any] = json.loads(
        json.dumps(kept), parse_float=lambda text: round(float(text), 1)
    )
    return rounded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    known = read_known()
    figures = {
        "pictures": len(known.paths),
        "repeats": REPEATS,
        "samples": [measure(known, count) for count in PER_CLASS],
        # scores that are far from probabilities
        "samples_cdul": [measure(read_known("cdul"), count) for count in (20, 100)],
        "example": show_example(known, 100),
    }
    record("sampling", figures, threads=threads)


if __name__ == "__main__":
    main()
