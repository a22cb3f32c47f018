"""Gradient alignment against fixed labels: the same drawn worlds, networks and seeds.

For each seed: paint a world, label it with the tiny CLIP, then train one student a variant. The
table says what held-out pictures make of each, and what became of the labels. Truth is read for
the report alone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.record import record
from cdul_edge.demo.world import World, paint_world
from cdul_edge.labelling import LabelRequest, Scoring, label
from cdul_edge.training import TrainRequest, train
from cdul_edge.training.presets import PRESETS, make_config
from cdul_edge.training.request import EvaluationOptions
from cdul_edge_runtime.host.console import SilentConsole

# Each changes the demo's preset; "cdul" is the default method as the demo runs it.
VARIANTS: dict[str, dict[str, Any]] = {
    "fixed": {"method": "fixed"},
    "cdul": {},
    "cdul_paper": {"method_settings": PRESETS["cdul-paper"]["method_settings"]},
    "cdul_firm": {"method_settings": {"eta": 1.0}},
    "cdul_matched": {
        "method_settings": {"eta": 0.5, "sigma": 0.5, "anchor": 0.0, "match": "histogram"}
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--epochs", type=int, help="another length than the preset's")
    parser.add_argument("--work", type=Path, help="folder for worlds and runs, kept and used again")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        runs = [
            run_variant(work / f"world-{seed}", name, seed, options.epochs)
            for seed in options.seeds
            for name in options.variants
        ]
    figures = {"runs": runs, "means": summarize(runs), "against_fixed": compare(runs)}
    record("alignment_vs_fixed", figures, threads=options.threads)


def run_variant(folder: Path, name: str, seed: int, epochs: int | None) -> dict[str, Any]:
    """Train one student; what it and its labels are worth, in percent."""
    world, labels = prepare_world(folder, seed)
    config = make_config("demo", **{**VARIANTS[name], "seed": seed, "epochs": epochs})
    request = TrainRequest(
        labels=labels,
        out=folder / f"run-{name}-{config.epochs}",
        config=config,
        evaluation=EvaluationOptions(world.heldout, world.heldout_truth, world.train_truth),
        force=True,
    )
    summary = train(request, SilentConsole()).summary
    assert summary.labels_map
    assert summary.train
    assert summary.val
    found = {
        "variant": name,
        "seed": seed,
        "epochs": config.epochs,
        "labels_first_map": summary.labels_map[0],
        "labels_last_map": summary.labels_map[1],
        "train_map": summary.train.map,
        "heldout_map": summary.val.map,
        "heldout_cf1": summary.val.cf1,
        "heldout_macro_f1": summary.val.macro_f1,
        "seconds": round(summary.seconds, 1),
        "label_guard": summary.label_guard,
    }
    print(found, flush=True)
    return found


def prepare_world(folder: Path, seed: int) -> tuple[World, Path]:
    """The demo's world of this seed and its labels; what exists already is used again."""
    world = paint_world(folder / "world", train=3000, heldout=1000, seed=seed)
    request = LabelRequest(
        images=world.train,
        classes=world.classes,
        out=folder / "labels",
        clip="demo",
        scoring=Scoring("cdul"),  # the paper's, where alignment was proposed
    )
    label(request, SilentConsole())
    return world, folder / "labels"


def summarize(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean over the seeds, and the spread of the held-out mAP."""
    means = {}
    for name in dict.fromkeys(run["variant"] for run in runs):
        mine = [run for run in runs if run["variant"] == name]
        keys = [key for key in mine[0] if key.endswith(("_map", "_cf1", "_macro_f1"))]
        means[name] = {key: round(mean(run[key] for run in mine), 2) for key in keys}
        if len(mine) > 1:
            spread = stdev(run["heldout_map"] for run in mine)
            means[name]["heldout_map_deviation"] = round(spread, 2)
    return means


def compare(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Held-out mAP of each variant minus that of fixed labels on the same seed."""
    fixed = {run["seed"]: run["heldout_map"] for run in runs if run["variant"] == "fixed"}
    gains: dict[str, list[float]] = {}
    for run in runs:
        if run["variant"] != "fixed" and run["seed"] in fixed:
            gain = round(run["heldout_map"] - fixed[run["seed"]], 2)
            gains.setdefault(run["variant"], []).append(gain)
    return {
        name: {"by_seed": values, "mean": round(mean(values), 2)} for name, values in gains.items()
    }


if __name__ == "__main__":
    main()
