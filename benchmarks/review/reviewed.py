"""Labels with truth for some of their pictures, and what answers about them bring to a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import PRESENT
from cdul_edge.reviewing.choose import ChoiceRequest, choose
from cdul_edge.reviewing.pictures import PictureFinder
from cdul_edge.reviewing.scores import open_scores
from cdul_edge.training import TrainConfig, TrainRequest, train
from cdul_edge.training.request import DataOptions, EvaluationOptions, ObservedOptions
from cdul_edge.training.run_folder import HELD_OUT
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images

Entry = tuple[str, str]  # a path of the labels, and a class
Relabel = Callable[[Path, tuple[Path, ...]], None]


@dataclass(frozen=True)
class World:
    """Pictures to learn from, and others that judge.

    Attributes:
        work: folder of the labels, answers, and runs.
        images: where the pictures to learn from are.
        only: which of them to learn from, as `choose_pictures` takes it.
        truth: what some of them show: it gives the answers.
        names: the classes that are asked about and judged.
        val, val_truth: the pictures that judge.
        relabel: writes labels into a folder, corrected by files of answers.
    """

    work: Path
    images: Path
    truth: Path
    names: tuple[str, ...]
    val: Path
    val_truth: Path
    relabel: Relabel
    only: str | Path = PRESENT

    @property
    def labels(self) -> Path:
        """Without any answers."""
        return self.work / "labels"

    def known(self) -> dict[Entry, bool]:
        """Every entry of the labels whose truth is known."""
        labels = PseudoLabels.read(self.labels)
        classes = ClassList(self.names)
        truth = read_truth(self.truth).for_paths(labels.paths, classes, labels.local_root)
        rows, columns = np.nonzero(truth >= 0)
        return {
            (labels.paths[row], self.names[column]): bool(truth[row, column] == 1)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        }


def choose_useful(world: World, known: dict[Entry, bool], count: int) -> list[Entry]:
    """As `cdul-edge review` does, among pictures that have truth."""
    scores = open_scores(world.labels)
    finder, some = PictureFinder(scores, world.images), {path for path, _ in known}
    asked = ChoiceRequest(count, world.names, lambda path: finder(path) if path in some else None)
    return [(one.path, one.name) for one in choose(scores, asked)]


def choose_random(known: dict[Entry, bool], count: int, seed: int) -> list[Entry]:
    """Each entry as likely."""
    entries = sorted(known)
    order = np.random.default_rng(seed).permutation(len(entries))
    return [entries[one] for one in order[:count].tolist()]


def write_answers(file: Path, entries: list[Entry], known: dict[Entry, bool]) -> Path:
    """The CSV that a review saves."""
    lines = [f"{path},{'' if known[path, name] else '-'}{name}" for path, name in entries]
    file.write_text("\n".join(["image_path,label", *lines, ""]), encoding="utf-8")
    return file


def count_errors(world: World, entries: list[Entry], known: dict[Entry, bool]) -> int:
    """How many of the entries the labels have wrong."""
    labels = PseudoLabels.read(world.labels)
    rows = {path: row for row, path in enumerate(labels.paths)}
    predicted = labels.scores >= labels.thresholds
    return sum(
        bool(predicted[rows[path], labels.classes.index(name)]) != known[path, name]
        for path, name in entries
    )


@dataclass(frozen=True)
class Worth:
    """Of a network on the pictures that judge, percent."""

    map: float
    macro_f1: float


def learn(
    config: TrainConfig,
    world: World,
    seed: int,
    labels: Path,
    answers: tuple[Path, ...],
    run: Path,
    correct: bool,
) -> Worth:
    """Train, and judge with the thresholds of the run."""
    request = TrainRequest(
        labels=labels,
        out=run,
        config=replace(config, seed=seed, correct_labels=correct),
        data=DataOptions(world.images, cache="disk", workers=1, cache_folder=world.work / "seen"),
        evaluation=EvaluationOptions(world.val, world.val_truth, every_epoch=False),
        observed=ObservedOptions(files=answers),
        only=world.only,
        device="cpu",
        resumable=False,
        try_precision=False,
    )
    train(request, SilentConsole())
    scored = PseudoLabels.read(run / HELD_OUT)
    return judge(world, scored.paths, scored.scores, scored.thresholds, scored.classes)


def judge(
    world: World,
    paths: Sequence[str],
    scores: npt.NDArray[np.float32],
    thresholds: npt.NDArray[np.float32],
    classes: ClassList,
) -> Worth:
    """Scores (V, C) of pictures that judge, of the classes that are asked about alone."""
    judged, root = ClassList(world.names), find_images(world.val).root
    truth = read_truth(world.val_truth).for_paths(paths, judged, root)
    columns = [classes.index(name) for name in world.names]
    report = evaluate_scores(scores[:, columns], truth, judged, thresholds[columns])
    return Worth(report.map, report.macro_f1)


def agree_on_labels(plain: Path, corrected: Path, answers: Path) -> bool:
    """Whether `train --observed` corrects labels as `label --observed` did, to the bit."""
    from cdul_edge.training.data.corrected_labels import correct_labels
    from cdul_edge.training.data.observed import open_observed

    before, after = PseudoLabels.read(plain), PseudoLabels.read(corrected)
    people = open_observed(ObservedOptions(files=(answers,)), before, seed=0)
    assert people is not None
    mine: npt.NDArray[np.float32] = correct_labels(before, people, SilentConsole()).scores
    return mine.tobytes() == after.scores.tobytes()
