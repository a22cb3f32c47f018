"""Drift without truth: what `watch` says of the demo's held-out pictures, and of changed ones.

A watch sees one picture a second of 300, three times with others, as they are and

    dark        at a third of their brightness
    gray        without colors
    foggy       at a third of their contrast
    few         only pictures without the two commonest classes
    held        30 pictures, each for ten seconds, as of a camera before slow things
    int8-cpu    as they are, by the INT8 file; the reference stays that of FP32

Beside each stands what truth says: the share of decisions that are right, mAP, and `true_shift`,
how far mean score less frequency is from where it is for the same pictures as they are (a mean of
absolute values over the classes, as `calibration_shift` is). `luck` draws 300 held-out pictures
again and again: what is found there is no drift.

    cdul-edge demo --out demo-out
    python -m benchmarks.drift --demo demo-out
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.record import interleave, record
from cdul_edge import Classifier, watch
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.metrics.drift import (
    SHIFTED,
    ClassDrift,
    DriftReport,
    count_independent,
    measure_drift,
)
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.rows import FramePrediction, Stats
from cdul_edge_runtime.streams.source import SourceInfo

Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]
WINDOW = 300
LUCK_DRAWS = 200
HELD_S = 10


@dataclass(eq=False)
class Pictures:
    """A source of one picture a second."""

    images: list[Pixels]
    finite: bool = True

    def open(self) -> SourceInfo:
        return SourceInfo()

    def frames(self) -> Iterator[Frame]:
        for second, image in enumerate(self.images):
            yield Frame(image, float(second))

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


def see(classifier: Classifier, images: list[Pixels]) -> tuple[Scores, DriftReport]:
    """(N, C) scores, and the drift that the last figures of a watch name."""
    scores, drift = [], None
    with watch(classifier, {"world": Pictures(images)}, smoothing=None, stats_s=3600) as rows:
        for row in rows:
            if isinstance(row, FramePrediction):
                scores.append(row.raw)
            elif isinstance(row, Stats):
                drift = row.drift
    if drift is None:
        raise SystemExit("the bundle has no reference: run `cdul-edge demo` again")
    return np.stack(scores), drift


def gray(image: Pixels) -> Pixels:
    return np.array(Image.fromarray(image).convert("L").convert("RGB"))


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "dark": lambda image: image // 3,
    "gray": gray,
    "foggy": lambda image: (image // 3 + 140).astype(np.uint8),
}


def summarize(drift: DriftReport) -> dict[str, float]:
    one: list[ClassDrift] = list(drift.classes.values())
    return {
        "psi_median": round(drift.median_psi, 3),
        "psi_largest": round(max(c.psi for c in one), 3),
        "shifted": len(drift.shifted),
        "luck_median": round(median(c.luck for c in one), 3),
        "calibration_shift": round(float(np.mean([abs(c.calibration_shift) for c in one])), 4),
    }


@dataclass(frozen=True)
class World:
    """The held-out pictures in an order of no meaning, with their truth."""

    images: list[Pixels]
    truth: npt.NDArray[np.int8]

    @classmethod
    def read(cls, demo: Path, bundle: Bundle) -> World:
        listed = find_images(demo / "world" / "heldout")
        order = np.random.default_rng(0).permutation(len(listed))
        images = []
        for index in order:
            with Image.open(listed.absolute(int(index))) as opened:
                images.append(np.array(opened.convert("RGB")))
        table = read_truth(demo / "world" / "heldout.csv")
        truth = table.for_paths(listed.paths, bundle.manifest.classes, listed.root)
        return cls(images, truth[order])

    def take(self, rows: npt.NDArray[np.int64]) -> list[Pixels]:
        return [self.images[int(row)] for row in rows]


def measure_changes(bundle: Bundle, world: World, threads: int) -> dict[str, Any]:
    """Medians over three windows of each change."""
    found: dict[str, list[dict[str, float]]] = {}
    classes, thresholds = bundle.manifest.classes, bundle.manifest.thresholds
    common = np.argsort(-world.truth.mean(axis=0))[:2]
    rare = np.flatnonzero(~world.truth[:, common].any(axis=1))
    with (
        Classifier.load(bundle, device="cpu", precision="fp32", threads=threads) as fp32,
        Classifier.load(bundle, device="cpu", precision="int8-cpu", threads=threads) as int8,
    ):
        for turn in range(3):
            rows = np.arange(turn * WINDOW, (turn + 1) * WINDOW)
            plain = world.take(rows)
            few = rare[(np.arange(WINDOW) + turn * WINDOW) % len(rare)]
            held = np.repeat(rows[: WINDOW // HELD_S], HELD_S)
            sights = {
                "as they are": (fp32, plain, rows),
                **{n: (fp32, [c(i) for i in plain], rows) for n, c in CHANGES.items()},
                "few": (fp32, world.take(few), few),
                "held": (fp32, world.take(held), held),
                "int8-cpu": (int8, plain, rows),
            }
            right, best, large = 0.0, 0.0, np.zeros(len(classes))
            for name, (classifier, images, numbers) in sights.items():
                scores, drift = see(classifier, images)
                truth = world.truth[numbers]
                now = float(((scores >= thresholds) == (truth == 1)).mean())
                over = scores.mean(axis=0) - (truth == 1).mean(axis=0)
                points = evaluate_scores(scores, truth, classes, thresholds).map
                if name == "as they are":
                    right, best, large = now, points, over
                figures = {
                    **summarize(drift),
                    "right_percent": round(100 * now, 2),
                    "map": round(points, 2),
                }
                if numbers is rows:
                    figures["true_shift"] = round(float(np.abs(over - large).mean()), 4)
                    figures["right_change"] = round(100 * (now - right), 2)
                    figures["map_change"] = round(points - best, 2)
                found.setdefault(name, []).append(figures)
    return {
        name: {key: round(median(turn[key] for turn in turns), 4) for key in turns[0]}
        for name, turns in found.items()
    }


def measure_luck(bundle: Bundle, world: World, reference: ScoreReference) -> dict[str, Any]:
    """What is found where nothing has changed, and of slow pictures with and without neighbors."""
    draws = np.random.default_rng(1)
    with Classifier.load(bundle, device="cpu", precision="fp32", threads=1) as classifier:
        scores = np.stack([one.scores for one in classifier.predict_batch(world.images)])
    chosen = [draws.choice(len(scores), WINDOW, replace=False) for _ in range(LUCK_DRAWS)]
    slow = [np.repeat(one[: WINDOW // HELD_S], HELD_S) for one in chosen]
    return {
        "windows": LUCK_DRAWS,
        "independent": _rates([measure_drift(scores[rows], reference) for rows in chosen]),
        "held 10 s each": {
            **_rates([measure_drift(scores[rows], reference) for rows in slow]),
            "pictures_worth": round(
                float(np.median([count_independent(scores[rows]) for rows in slow])), 1
            ),
        },
        "held 10 s each, taken for independent": _rates(
            # in an order in which neighbors say nothing
            [measure_drift(scores[draws.permutation(rows)], reference) for rows in slow]
        ),
    }


def _rates(reports: list[DriftReport]) -> dict[str, float]:
    psi = np.array([[one.psi for one in report.classes.values()] for report in reports])
    luck = np.array([[one.luck for one in report.classes.values()] for report in reports])
    return {
        "psi_median": round(float(np.median(psi)), 4),
        "luck_median": round(float(np.median(luck)), 4),
        "above_0.1_percent": round(100 * float((psi > 0.1).mean()), 2),
        "above_0.25_percent": round(100 * float((psi > SHIFTED).mean()), 2),
    }


def measure_cost() -> dict[str, Any]:
    """Milliseconds to measure a window, and bytes of the file."""
    draws = np.random.default_rng(2)
    sides: dict[str, Callable[[], object]] = {}
    for count in (12, 80, 1000):
        scores = 1 / (1 + np.exp(-draws.normal(-4, 2, (WINDOW, count)))).astype(np.float32)
        names = [f"class {number}" for number in range(count)]
        made = ScoreReference.of(scores, np.full(count, 0.5), names)
        sides[f"{count} classes"] = partial(measure_drift, scores, made)
    seconds = interleave(sides, 9)
    return {name: round(1e3 * median(values), 2) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, required=True, help="what `cdul-edge demo` made")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    bundle = Bundle.load(options.demo / "bundle")
    reference = bundle.score_reference()
    if reference is None:
        raise SystemExit("the bundle has no reference: run `cdul-edge demo` again")
    world = World.read(options.demo, bundle)
    figures = {
        "reference_pictures": reference.pictures,
        "reference_bytes": bundle.manifest.files["score_reference.npz"].bytes,
        "changes": measure_changes(bundle, world, options.threads),
        "luck": measure_luck(bundle, world, reference),
        "measuring_ms": measure_cost(),
    }
    record("drift", figures, threads=options.threads)


if __name__ == "__main__":
    main()
