"""Every way of using answers, seed by seed, and what it brings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.measured_rows.figures import Figure, Measured, at_least, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.review.reviewed import (
    World,
    Worth,
    agree_on_labels,
    choose_random,
    choose_useful,
    count_errors,
    write_answers,
)

COUNT = 200
CHOICES = ("useful", "random")
WAYS = {
    "observed": "`train --observed`",
    "train": "`train --observed --correct-labels`",
    "label": "`label --observed`",
    "both": "`label --observed` and `train --observed`",
}
Open = Callable[[int], World]
# Of a world, by a seed: labels, answers, a folder for the run, and whether answers correct labels.
Learn = Callable[[World, int, Path, tuple[Path, ...], Path, bool], Worth]
LearnFrom = Callable[[Path, tuple[Path, ...], Path, bool], Worth]


def measure_arms(setting: Setting, open_world: Open, learn: Learn, about: str) -> Measured:
    """Without answers, and for each choice of entries and way of using the answers."""
    torch.set_num_threads(setting.threads)
    count = 20 if setting.quick else COUNT
    found: dict[str, list[Worth]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    for seed in range(setting.rounds):
        world = open_world(seed)
        runs = world.work / f"runs-{seed}"
        found["none"].append(learn(world, seed, world.labels, (), runs / "none", False))
        known = world.known()
        for choice in CHOICES:
            entries = (
                choose_useful(world, known, count)
                if choice == "useful"
                else choose_random(known, count, seed)
            )
            errors[choice].append(count_errors(world, entries, known))
            file = write_answers(world.work / f"{choice}-{seed}.csv", entries, known)
            for way, worth in _use(world, partial(learn, world, seed), file, runs / choice).items():
                found[f"{choice}-{way}"].append(worth)
        print(f"seed {seed}", {name: some[-1] for name, some in found.items()}, flush=True)
    return Measured(tuple(_figures(found, errors, count)), (about,))


def _use(world: World, learn: LearnFrom, file: Path, runs: Path) -> dict[str, Worth]:
    """Each way of using a file of answers."""
    corrected = file.with_suffix("")
    world.relabel(corrected, (file,))
    corrects = learn(world.labels, (file,), runs / "train", True)
    return {
        "observed": learn(world.labels, (file,), runs / "observed", False),
        "train": corrects,
        "label": learn(corrected, (), runs / "label", False),
        "both": corrects  # the same labels and answers give the same network
        if agree_on_labels(world.labels, corrected, file)
        else learn(corrected, (file,), runs / "both", False),
    }


def _figures(
    found: dict[str, list[Worth]], errors: dict[str, list[float]], count: int
) -> list[Figure]:
    figures = []
    for name, some in found.items():
        choice, _, way = name.partition("-")
        told = f"{count} {choice} answers in {WAYS[way]}" if way else "no answers"
        figures += [
            stated(f"{name}-map", f"held-out mAP, {told}", "%", *(one.map for one in some)),
            stated(
                f"{name}-f1", f"held-out macro F1, {told}", "%", *(one.macro_f1 for one in some)
            ),
        ]
    for choice, counts in errors.items():
        figures.append(
            stated(f"{choice}-errors", f"labels that {choice} answers mend", "", *counts)
        )
    for way, told in WAYS.items():
        gains = [
            one.macro_f1 - other.macro_f1
            for one, other in zip(found[f"useful-{way}"], found[f"random-{way}"], strict=True)
        ]
        what = f"macro F1, useful answers less random ones, in {told}"
        figures.append(at_least(1.0, f"{way}-gain", what, "points", *gains))
    return figures
