"""What `evaluate` without truth expects, beside what truth says.

Three sets of labels of `--strategy evidence`: real photographs with truth, eight classes; all of
VOC 2012's cached CLIP outputs with truth, 20 classes, which the first are a part of; and a drawn
world, which nothing was chosen on. `--scores NAME=FILE` adds scores of a network, such as a run's
`heldout_scores.parquet` or the output of `cdul-edge predict`, judged by `--truth`.

`slope` and `shift` of a class are those of Platt's fit to the truth: what the doubt is about
(`cdul_edge_runtime.metrics.doubt`).

    python -m benchmarks.expected --scores student=RUN/heldout_scores.parquet --truth heldout.csv
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from benchmarks.drawn_stores import DrawnStore, paint_sets
from benchmarks.photographs import DATA, REPORTED
from benchmarks.record import record
from cdul_edge.front.estimation import doubt_of
from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labels.scored_pictures import ScoredPictures, read_scored_pictures
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.log_odds import find_shifts
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.doubt import CALIBRATED
from cdul_edge_runtime.metrics.expected import Expectation, expect_metrics
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth

SIMILARITIES = DATA.parent / "voc2012-clip-rn50x64" / "similarities.npz"
DRAWN_PICTURES = 500
_POSITIVES = 20  # of fewer no slope can be told

Doubles = npt.NDArray[np.float64]


def compare(found: ScoredPictures, truth_file: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Expected and true figures of the pictures and classes with known truth; percent."""
    classes = ClassList(names)
    columns = [found.classes.index(name) for name in names]
    truth = read_truth(truth_file).for_paths(found.paths, classes, found.root)
    rows = (truth >= 0).all(axis=1)
    scores, thresholds = found.scores[rows][:, columns], found.thresholds[columns]
    truth = truth[rows]
    report = expect_metrics(scores, classes, thresholds, doubt_of(found))
    plain = expect_metrics(scores, classes, thresholds, CALIBRATED)
    real = evaluate_scores(scores, truth, classes, thresholds)
    by_class = {}
    for column, (name, expected) in enumerate(report.classes.items()):
        said, there = scores[:, column] >= thresholds[column], truth[:, column] == 1
        f1 = 200 * float((said & there).sum()) / max(int(said.sum() + there.sum()), 1)
        by_class[name] = {
            "true_f1": round(f1, 1),
            "f1": _show(expected.f1),
            "held": bool(expected.f1.low <= f1 <= expected.f1.high),
            **_platt(scores[:, column], there),
        }
    return {
        "pictures": int(rows.sum()),
        "ece": round(real.ece, 2),
        "macro_f1": {
            "true": round(real.macro_f1, 1),
            "expected": _show(report.macro_f1),
            "if_calibrated": _show(plain.macro_f1),
        },
        "map": {"true": round(real.map, 1), "expected": _show(report.map)},
        "held": sum(one["held"] for one in by_class.values()),
        "classes": by_class,
    }


def _show(figure: Expectation) -> list[float]:
    return [round(value, 1) for value in (figure.value, figure.low, figure.high)]


def _platt(scores: npt.NDArray[np.float32], there: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Slope and shift that truth asks for; the shift beside the one that keeps the mean score."""
    if not _POSITIVES <= there.sum() <= len(there) - _POSITIVES:
        return {}
    inside = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    logits: Doubles = np.log(inside / (1 - inside))
    fit = LogisticRegression(C=1e6).fit(logits[:, None], there)
    slope = float(fit.coef_[0, 0])
    kept = find_shifts(slope * logits[None], np.ones(len(logits)), scores.sum(dtype=np.float64))
    return {"slope": round(slope, 2), "shift": round(float(fit.intercept_[0] - kept[0]), 2)}


def measure(folder: Path, networks: dict[str, Path], truth: Path | None) -> dict[str, Any]:
    """Every set that is here."""
    label(ImportRequest(SIMILARITIES, folder / "labels"), SilentConsole())
    labels = read_scored_pictures(folder / "labels")
    drawn = DrawnStore(paint_sets(folder, DRAWN_PICTURES, 1)[0])
    drawn.label(Scoring())
    painted = read_scored_pictures(drawn.store)
    sets = {
        "labels, photographs": compare(labels, DATA / "train_known.csv", REPORTED),
        "labels, VOC 2012 train": compare(labels, SIMILARITIES, tuple(labels.classes)),
        "labels, drawn world": compare(painted, drawn.truth_file, tuple(painted.classes)),
    }
    for name, file in networks.items():
        assert truth is not None
        sets[name] = compare(read_scored_pictures(file), truth, REPORTED)
    return {"sets": sets}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scores", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--truth", type=Path, help="what the pictures of --scores show")
    options = parser.parse_args()
    if not SIMILARITIES.is_file():
        raise SystemExit(f"skipped: {SIMILARITIES} is not there")
    if options.scores and options.truth is None:
        parser.error("--scores needs --truth")
    networks = {
        name: Path(file) for name, _, file in (one.partition("=") for one in options.scores)
    }
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), networks, options.truth)
    record("expected", figures, threads=options.threads)


if __name__ == "__main__":
    main()
