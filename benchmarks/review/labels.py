"""What answers bring to the labels themselves: `label --observed`, judged on other pictures.

Answers are about one half of the pictures with truth, and labels are judged on the other half. As a
class's scores keep their order, average precision cannot change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.measured_rows.figures import Figure, Measured, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.photographs import DATA
from benchmarks.real_world import SIMILARITIES
from benchmarks.review.drawn import open_drawn
from benchmarks.review.reviewed import Entry, Relabel, choose_random, write_answers
from cdul_edge.labelling import ImportRequest, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.reviewing.choose import ChoiceRequest, choose
from cdul_edge.reviewing.scores import open_scores
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth

COUNTS = (50, 200, 1000)
CHOICES = ("useful", "random")


@dataclass(frozen=True)
class Labels:
    """Labels and truth.

    Attributes:
        work: folder of everything; its `labels` are there, without any answers.
        truth: of some of the pictures.
        relabel: writes labels into a folder, corrected by files of answers.
    """

    work: Path
    truth: Path
    relabel: Relabel


@dataclass(frozen=True)
class Worth:
    """Of labels, on the half that nobody answered about.

    Attributes:
        map, macro_f1: percent.
        off: mean over classes of |mean score - share of the pictures|, in points.
    """

    map: float
    macro_f1: float
    off: float


def measure_vectors(setting: Setting) -> Measured:
    """Real CLIP outputs: 2,818 of 5,717 photographs have truth, and 20 classes."""
    folder, similarities = setting.work / "vectors", DATA.parent / SIMILARITIES

    def relabel(out: Path, files: tuple[Path, ...]) -> None:
        label(replace(ImportRequest(similarities, out), observed=files), SilentConsole())

    relabel(folder / "labels", ())
    found = Labels(folder, similarities, relabel)
    return _measure(setting, lambda seed: found)


def measure_drawn_labels(setting: Setting) -> Measured:
    """Drawn worlds, another one for each seed."""

    def open_labels(seed: int) -> Labels:
        world = open_drawn(setting, seed)
        return Labels(world.work, world.truth, world.relabel)

    return _measure(setting, open_labels)


def _measure(setting: Setting, open_labels: Callable[[int], Labels]) -> Measured:
    counts = COUNTS[:1] if setting.quick else COUNTS
    found: dict[str, list[Worth]] = defaultdict(list)
    for seed in range(setting.rounds):
        labels = open_labels(seed)
        known, others = _halves(labels, seed)
        judge = partial(_judge, labels.truth, others)
        found["none"].append(judge(labels.work / "labels"))
        for count in counts:
            for choice in CHOICES:
                entries = (
                    _choose_useful(labels.work / "labels", known, count)
                    if choice == "useful"
                    else choose_random(known, count, seed)
                )
                file = labels.work / f"labels-{choice}-{count}-{seed}.csv"
                write_answers(file, entries, known)
                labels.relabel(file.with_suffix(""), (file,))
                found[f"{choice}-{count}"].append(judge(file.with_suffix("")))
        print(f"seed {seed}", {name: some[-1] for name, some in found.items()}, flush=True)
    return Measured(tuple(one for name, some in found.items() for one in _figures(name, some)))


def _figures(name: str, some: list[Worth]) -> list[Figure]:
    choice, _, count = name.partition("-")
    told = f"{count} {choice} answers" if count else "no answers"
    return [
        stated(f"{name}-map", f"mAP of labels, {told}", "%", *(one.map for one in some)),
        stated(f"{name}-f1", f"macro F1 of labels, {told}", "%", *(one.macro_f1 for one in some)),
        stated(f"{name}-off", f"error of shares, {told}", "points", *(one.off for one in some)),
    ]


def _halves(labels: Labels, seed: int) -> tuple[dict[Entry, bool], frozenset[str]]:
    """Entries to ask about, of one half of the pictures that are known; and the other half."""
    found = PseudoLabels.read(labels.work / "labels")
    truth = read_truth(labels.truth).for_paths(found.paths, found.classes, found.local_root)
    rows = np.flatnonzero((truth >= 0).all(axis=1))
    mixed = np.random.default_rng(seed).permutation(rows).tolist()
    half = len(mixed) // 2
    known = {
        (found.paths[row], name): bool(truth[row, column] == 1)
        for row in mixed[:half]
        for column, name in enumerate(found.classes)
    }
    return known, frozenset(found.paths[row] for row in mixed[half:])


def _choose_useful(where: Path, known: dict[Entry, bool], count: int) -> list[Entry]:
    """As `cdul-edge review` does, of these entries alone; pictures are compared by their scores."""
    scores = open_scores(where)
    every = ((path, name) for path in scores.paths() for name in scores.classes)
    answered = frozenset(entry for entry in every if entry not in known)
    chosen = choose(scores, ChoiceRequest(count, answered=answered))
    return [(one.path, one.name) for one in chosen]


def _judge(truth: Path, others: frozenset[str], where: Path) -> Worth:
    found = PseudoLabels.read(where)
    rows = [row for row, path in enumerate(found.paths) if path in others]
    paths, scores = [found.paths[row] for row in rows], found.scores[rows]
    shown: npt.NDArray[np.int8] = read_truth(truth).for_paths(
        paths, found.classes, found.local_root
    )
    report = evaluate_scores(scores, shown, found.classes, found.thresholds)
    off = np.abs(scores.mean(axis=0) - (shown == 1).mean(axis=0)).mean()
    return Worth(report.map, report.macro_f1, 100 * float(off))
