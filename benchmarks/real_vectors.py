"""What each way of scoring is worth on real CLIP outputs, and how the default came about.

`../shared` holds similarity vectors of CLIP RN50x64 on the 5,717 pictures of VOC 2012 train, of
each class's best and worst snippet only, and truth for a part of them. Every row goes through
`cdul-edge label --from-similarities` (the same functions, in this process); the truth is read after
the labels are written, to judge them. The same options are judged on three drawn worlds, labeled
by the bundled CLIP in 3x3 snippets.

The constants of `--strategy evidence` were chosen on the drawn worlds, or are plain numbers: the
sweeps show both sides, and how flat they are. `chosen_without_labels` says which is which.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawn_stores import DrawnStore, judge, judge_scores, mean_of, paint_sets
from benchmarks.record import record
from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labelling.score.evidence import fit_evidence
from cdul_edge.labelling.score.evidence_model import EvidenceScoring
from cdul_edge.labelling.score.set_statistics import SetViews, gather_views
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.manifest import read_manifest
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.thresholds import (
    DEFAULT_RULE,
    UNLABELED_RULES,
    unlabeled_thresholds,
)
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.truth import read_truth

VOC = Path(__file__).parents[2] / "shared/data/voc2012-clip-rn50x64/similarities.npz"
PICTURES, SEEDS = 1500, 3

# What was measured before on all 5,640 pictures with truth, and on those whose truth the file has.
KNOWN = {
    "global, as cached": (Scoring("global", temperature="cached"), 85.94, 85.82),
    "global at 0.01": (Scoring("global", temperature="0.01"), 84.86, 84.79),
    "(global + best snippet) / 2, as cached": (Scoring("max", temperature="cached"), 89.32, 89.23),
}
OPTIONS = {
    "evidence (default)": Scoring(),
    "cdul": Scoring("cdul"),
    "cdul, zeta 0": Scoring("cdul", zeta=0.0),
    "max": Scoring("max"),
    "max, temperature 0.05": Scoring("max", temperature="0.05"),
    "max, temperature spread": Scoring("max", temperature="spread"),
    "max, center": Scoring("max", debias="center"),
    "max, center, temperature spread": Scoring("max", temperature="spread", debias="center"),
    "max, sparc, temperature spread": Scoring("max", temperature="spread", debias="sparc"),
    "max, ccd": Scoring("max", debias="ccd"),
    "max, ridge": Scoring("max", debias="ridge"),
    "max, ridge, temperature spread": Scoring("max", temperature="spread", debias="ridge"),
    "global": Scoring("global"),
}
# These need every snippet.
MORE = {
    "average": Scoring("average"),
    "average, pooled": Scoring("average", fusion="pooled"),
    "cosine-mean": Scoring("cosine-mean"),
    "cosine-mean, temperature spread": Scoring("cosine-mean", temperature="spread"),
}
SWEEPS: dict[str, tuple[float, ...]] = {
    "spreads": (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0),
    "absent": (0.1, 0.25, 0.4, 0.5, 0.6, 0.75),
    "ridge": (0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
    "rivals": (3, 8, 64),
    "samples": (5, 20, 50),
    "seen": (0.0, 0.001, 0.002, 0.005),
}
CHOSEN = {
    "spreads": "plain: one spread; the drawn worlds change by 0.1 mAP from 0.5 to 1.2",
    "absent": "plain: a quarter. A class may then be in three quarters of the pictures",
    "ridge": "drawn worlds: the least from which their ECE is below cdul's; macro F1 falls beyond",
    "rivals": "cost only: with 64 a thousand classes take minutes; both sets have fewer",
    "samples": "cost only, likewise",
    "seen": "plain: one picture in 500. The drawn worlds show all their classes",
    "pictures": "drawn worlds: from 100 on the Brier score is below cdul's",
}


def measure(folder: Path) -> dict[str, Any]:
    if not VOC.is_file():
        raise SystemExit(f"skipped: {VOC} is not there")
    drawn = [DrawnStore(one) for one in paint_sets(folder, PICTURES, SEEDS)]
    figures = {
        "truth": "2,818 of 5,717 pictures; the drawn worlds: all of 3 x 1,500",
        "reproduced": {
            name: {**_judge_real(folder, scoring), "all_truth_map": everywhere, "before_map": here}
            for name, (scoring, everywhere, here) in KNOWN.items()
        },
        "real": {name: _judge_real(folder, scoring) for name, scoring in OPTIONS.items()},
        "drawn": {
            name: mean_of([judge(one.label(scoring), one.truth_file) for one in drawn])
            for name, scoring in {**OPTIONS, **MORE}.items()
            if scoring.temperature != "0.05"  # of another CLIP
        },
        "thresholds": _judge_thresholds(folder, drawn),
    }
    sides = {
        "real": [_Side(_label_real(folder, Scoring()), folder / "voc", VOC)],
        "drawn": [_Side(one.label(Scoring()), one.store, one.truth_file) for one in drawn],
    }
    return {
        **figures,
        "default": asdict(EvidenceScoring()),
        "chosen_without_labels": CHOSEN,
        "sweeps": {
            name: {str(value): _judge_sides(sides, {name: value}) for value in values}
            for name, values in SWEEPS.items()
        },
        "fewer_pictures": {str(n): _judge_few(sides, n) for n in (25, 50, 100, 200, 400)},
        "classes_that_are_nowhere": {name: _judge_absent(some) for name, some in sides.items()},
    }


def _label_real(folder: Path, scoring: Scoring) -> PseudoLabels:
    request = ImportRequest(similarities=VOC, out=folder / "voc", scoring=scoring)
    label(request, SilentConsole())
    return PseudoLabels.read(folder / "voc")


def _judge_real(folder: Path, scoring: Scoring) -> dict[str, float]:
    return judge(_label_real(folder, scoring), VOC)


def _judge_thresholds(folder: Path, drawn: list[DrawnStore]) -> dict[str, Any]:
    """Macro F1 of the default scores by each rule."""
    real = (_label_real(folder, Scoring()), VOC)
    worlds = [(one.label(Scoring()), one.truth_file) for one in drawn]

    def f1(labels: PseudoLabels, truth: Path, rule: str) -> float:
        chosen = unlabeled_thresholds(labels.scores, rule)
        return judge(replace(labels, thresholds=chosen), truth)["macro_f1"]

    return {
        rule: {
            "real_macro_f1": f1(*real, rule),
            "drawn_macro_f1": round(float(np.mean([f1(*one, rule) for one in worlds])), 2),
        }
        for rule in UNLABELED_RULES
    }


class _Side:
    """A store in memory, and its truth: to score some of the pictures, or with other constants."""

    def __init__(self, labels: PseudoLabels, folder: Path, truth: Path) -> None:
        manifest = read_manifest(folder)
        assert manifest is not None
        store = manifest.similarities
        self.labels = labels
        self.truth = read_truth(truth).for_paths(labels.paths, labels.classes)
        self.snippets = store.snippets
        temperatures = store.model_temperature, store.cached_temperature
        self.aggregation = Scoring().resolve(*temperatures)
        reader = StoreReader(folder, store.parts)
        parts = [reader.cosines(index).values for index in range(reader.parts)]
        self.values = np.concatenate(parts)

    def gather(self, rows: Any, scoring: EvidenceScoring) -> SetViews:
        values = self.values[rows]
        part = Part(tuple(StoredPicture(f"{index}") for index in range(len(values))), values)
        count = len(values)
        return gather_views(
            lambda: iter([part]), count, self.aggregation, self.snippets, scoring.spreads
        )

    def score(self, rows: Any = slice(None), **changes: float) -> tuple[Any, Any]:
        """(N, C) scores of the default, and those of each picture on its own."""
        scoring = EvidenceScoring(**changes)  # type: ignore[arg-type]
        views = self.gather(rows, scoring)
        names = self.labels.classes.names
        found = fit_evidence(views, names, scoring, self.aggregation, self.snippets)
        return found.scores, views.plain

    def judge(self, scores: Any, rows: Any = slice(None)) -> dict[str, float]:
        thresholds = unlabeled_thresholds(scores, DEFAULT_RULE)
        labels = replace(self.labels, thresholds=thresholds)
        return judge_scores(scores, self.truth[rows], labels)


def _judge_sides(sides: dict[str, list[_Side]], changes: dict[str, float]) -> dict[str, Any]:
    return {
        name: mean_of([one.judge(one.score(**changes)[0]) for one in some])
        for name, some in sides.items()
    }


def _judge_few(sides: dict[str, list[_Side]], pictures: int) -> dict[str, Any]:
    """Random subsets of pictures with truth, five of each set."""
    found: dict[str, Any] = {}
    for name, some in sides.items():
        judged: list[tuple[dict[str, float], dict[str, float]]] = []
        for one in some:
            known = np.flatnonzero((one.truth >= 0).any(axis=1))
            for seed in range(5):
                rows = np.random.default_rng(seed).permutation(known)[:pictures]
                evidence, plain = one.score(rows)
                judged.append((one.judge(evidence, rows), one.judge(plain, rows)))
        for index, way in enumerate(("evidence", "cdul")):
            found[f"{name}, {way}"] = mean_of([pair[index] for pair in judged])
            del found[f"{name}, {way}"]["map_of_seeds"]
    return found


def _judge_absent(sides: list[_Side]) -> dict[str, float]:
    """Each class in turn is taken out with all its pictures: its mean score, percent."""
    means = []
    for side in sides:
        for column in range(side.truth.shape[1]):
            rows = np.flatnonzero(side.truth[:, column] == 0)
            means.append([scores[:, column].mean() for scores in side.score(rows)])
    evidence, plain = 100 * np.mean(means, axis=0)
    return {"evidence": round(float(evidence), 2), "cdul": round(float(plain), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="recorded; CLIP takes all cores")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name))
    for part in ("reproduced", "real", "drawn", "thresholds", "sweeps"):
        print(part)
        for row, values in figures[part].items():
            print(f"  {row}: {values}")
    record("real_vectors", figures, threads=options.threads)


if __name__ == "__main__":
    main()
