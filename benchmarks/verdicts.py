"""How often a verdict is wrong: an equal model called broken, flips on their limit called so.

Two models see the same signal of each class under noise that they share, and add noise of their
own of equal size: neither is better. A limit of 0 is the hardest for the verdict; the default
budget is 0.5 points. Flips are drawn at the default limit of 2 %, decision by decision or bunched
in few pictures: then the rate is on its limit, and neither "broken" nor "ok" is right.
"""

from __future__ import annotations

import argparse
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.record import record
from cdul_edge_runtime.metrics.bootstrap import estimate_flip_rate, estimate_map_drop
from cdul_edge_runtime.metrics.metrics import mean_average_precision

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

PICTURES = (32, 200, 2000)
CLASSES = 4
# Share of positives, and the models' own noise beside the shared noise of size 1.
WORLDS = {"common classes, rough model": (0.2, 0.3), "rare classes, close model": (0.08, 0.1)}
FLIP_RATE = 0.02
LARGEST = (10_000, 80)


def equal_models(
    generator: np.random.Generator, shape: tuple[int, int], share: float, noise: float
) -> tuple[Labels, Floats, Floats]:
    """(N, C) labels, and the scores of two models that are equally good at them."""
    truth = np.zeros(shape, np.int8)
    while not truth.any():  # without a positive there is no mAP
        truth = (generator.random(shape) < share).astype(np.int8)
    seen = 1.5 * truth + generator.normal(size=shape)
    first, second = seen + noise * generator.normal(size=(2, *shape))
    return truth, first, second


def judge_losses(pictures: int, draws: int, share: float, noise: float) -> dict[str, float]:
    """Percent of the draws in which the second model is called broken."""
    generator = np.random.default_rng(pictures)
    broken = {0.0: 0, 0.5: 0}
    widths = []
    for _ in range(draws):
        truth, first, second = equal_models(generator, (pictures, CLASSES), share, noise)
        loss = mean_average_precision(first, truth) - mean_average_precision(second, truth)
        found = estimate_map_drop(first, second, truth, loss)
        widths.append(found.high - found.low)
        for limit in broken:
            broken[limit] += found.judge(limit) == "broken"
    rates = {f"broken_percent_limit_{limit:g}": 100 * n / draws for limit, n in broken.items()}
    return {**rates, "interval_points_p50": round(float(np.median(widths)), 2)}


def judge_flips(pictures: int, draws: int, *, bunched: bool) -> dict[str, float]:
    """Percent of the draws in which the true rate, on the limit, is called broken or ok."""
    generator = np.random.default_rng(pictures)
    counts = {"broken": 0, "ok": 0, "unsure": 0}
    for _ in range(draws):
        rates = np.full(pictures, FLIP_RATE)
        if bunched:  # a beta distribution with three pseudo-decisions: most pictures flip nothing
            rates = generator.beta(3 * FLIP_RATE, 3 * (1 - FLIP_RATE), pictures)
        flipped = generator.random((pictures, CLASSES)) < rates[:, None]
        counts[estimate_flip_rate(flipped).judge(FLIP_RATE)] += 1
    return {f"{verdict}_percent": 100 * count / draws for verdict, count in counts.items()}


def time_largest(repeats: int = 3) -> dict[str, float]:
    """CPU seconds for 10,000 pictures of 80 classes, against labels and against FP32's scores."""
    truth, first, second = equal_models(np.random.default_rng(0), LARGEST, 0.03, 0.1)
    seconds = {}
    for name, weights in (("labels", truth), ("fp32_scores", 1 / (1 + np.exp(-first)))):
        took = []
        for _ in range(repeats):
            start = process_time()
            estimate_map_drop(first, second, weights, 0.0)
            took.append(process_time() - start)
        seconds[name] = round(float(np.median(took)), 2)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="taken, and without effect")
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    figures: dict[str, Any] = {"draws": options.draws, "classes": CLASSES}
    figures["cpu_seconds_10000_pictures_80_classes"] = time_largest()
    for name, (share, noise) in WORLDS.items():
        figures[name] = {
            str(pictures): judge_losses(pictures, options.draws, share, noise)
            for pictures in PICTURES
        }
        print(name, figures[name], flush=True)
    for name, bunched in (("flips one by one", False), ("flips in bunches", True)):
        figures[name] = {
            str(pictures): judge_flips(pictures, options.draws, bunched=bunched)
            for pictures in PICTURES
        }
        print(name, figures[name], flush=True)
    record("verdicts", figures, threads=options.threads)


if __name__ == "__main__":
    main()
