"""The whole job on the drawn world, through the same commands that do it on photographs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from cdul_edge.demo.contact_sheet import Sample, draw_contact_sheet
from cdul_edge.demo.world import World, paint_world
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bench.latency import measure_latency
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.files import read_json, refuse_existing
from cdul_edge_runtime.host.machine import describe_machine
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images

# The tiny CLIP's own trunk, as no other pretrained weights exist here, and the settings that feed
# it within minutes on two cores (cdul_edge/training/presets.py).
STUDENT = ("--preset", "demo")

RunCommand = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class DemoSettings:
    """What `cdul-edge demo` can be asked for."""

    out: Path
    seed: int = 0
    train_pictures: int = 3000
    heldout_pictures: int = 1000
    samples: int = 20
    supervised: bool = False
    force: bool = False


class Stopwatch:
    """Seconds of each stage, in the order in which they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


def run_demo(settings: DemoSettings, run: RunCommand) -> dict[str, Any]:
    """Paint, label, train, export, calibrate, verify and predict into `settings.out`.

    Args:
        settings: where, and how much.
        run: carries out one `cdul-edge` command; it raises when the command fails.

    Returns:
        The report: `map` (percent, by name), `precisions` (what each costs on the held-out
        pictures), `latency_ms`, `seconds`, `stage_seconds`, `paths`, `settings` and `machine`.

    Raises:
        CdulEdgeError: `settings.out` exists and `settings.force` is not set.
    """
    out = settings.out
    refuse_existing(out, force=settings.force)
    if settings.force and (out / "world").is_dir():
        shutil.rmtree(out)
    watch = Stopwatch()
    world = paint_world(
        out / "world",
        train=settings.train_pictures,
        heldout=settings.heldout_pictures,
        seed=settings.seed,
    )
    watch.lap("paint")
    accuracy = _label(world, out, run)
    watch.lap("label")
    _train(world, out, settings.seed, run)
    watch.lap("train")
    run(["export", f"{out / 'run'}", "--out", f"{out / 'bundle'}"])
    watch.lap("export")
    run(["calibrate", f"{out / 'bundle'}", "--images", f"{world.train}"])
    watch.lap("calibrate")
    accuracy |= _predict(world, out, run)
    watch.lap("predict")
    precisions = _verify(world, out, run)
    watch.lap("verify")
    if settings.supervised:
        accuracy["supervised_heldout"] = _supervised_bound(world, out, settings.seed, run)
        watch.lap("supervised bound")
    latency = _latency(out)
    _draw_samples(world, out, settings)
    watch.lap("report")
    return _report(settings, accuracy, precisions, latency, watch)


def _label(world: World, out: Path, run: RunCommand) -> dict[str, float]:
    """Label three times: CLIP runs once, the other strategies read its similarities."""
    accuracy = {}
    for name, strategy in (
        ("global", ["--strategy", "global"]),
        ("cdul", ["--strategy", "cdul"]),
        ("pseudo_labels", []),
    ):
        run(
            ["label", f"{world.train}", "--classes", f"{world.classes}", "--clip", "demo"]
            + [*strategy, "--out", f"{out / 'labels'}"]
        )
        accuracy[name] = _evaluate(out / "labels", world.train_truth, out / f"{name}.json", run)
    return accuracy


def _train(world: World, out: Path, seed: int, run: RunCommand) -> None:
    run(
        ["train", f"{out / 'labels'}", *STUDENT, "--seed", f"{seed}"]
        + ["--val", f"{world.heldout}", "--truth", f"{world.heldout_truth}"]
        + ["--train-truth", f"{world.train_truth}", "--out", f"{out / 'run'}"]
    )


def _predict(world: World, out: Path, run: RunCommand) -> dict[str, float]:
    accuracy = {
        "refined_labels": _evaluate(
            out / "run" / "pseudo_labels_refined.parquet",
            world.train_truth,
            out / "refined_labels.json",
            run,
        )
    }
    for split, truth in (("train", world.train_truth), ("heldout", world.heldout_truth)):
        predictions = out / f"predictions_{split}.jsonl"
        pictures = world.train if split == "train" else world.heldout
        # FP32 on the CPU, so that the figures are the same on every machine.
        run(
            ["predict", f"{out / 'bundle'}", f"{pictures}", "--out", f"{predictions}"]
            + ["--device", "cpu", "--precision", "fp32"]
        )
        name = f"student_{split}"
        accuracy[name] = _evaluate(predictions, truth, out / f"{name}.json", run)
    return accuracy


def _verify(world: World, out: Path, run: RunCommand) -> dict[str, dict[str, Any]]:
    """Every precision on the held-out pictures, on this CPU: what each costs and saves."""
    run(
        ["verify", f"{out / 'bundle'}", "--precision", "all", "--backend", "cpu"]
        + ["--images", f"{world.heldout}", "--truth", f"{world.heldout_truth}"]
        + ["--json", f"{out / 'verify.json'}"]
    )
    found: dict[str, dict[str, Any]] = {}
    for row in read_json(out / "verify.json")["rows"]:
        model = out / "bundle" / f"model.{row['precision']}.onnx"
        # FP16 and TensorRT's INT8 are only emulated on a CPU: no latency stands for them.
        latency = row.get("latency", {}).get("network", {}).get("p50_ms")
        found[row["precision"]] = {
            "map": round(row["pictures"]["map"], 2),
            "map_change": round(-row["pictures"]["map_drop"], 2) + 0.0,  # no -0.0
            "map_change_interval": [
                round(-end, 2) + 0.0 for end in reversed(row["pictures"]["map_drop_interval"])
            ],
            "flips_percent": round(100 * row["pictures"]["flip_rate"], 2),
            "verdict": row["verdict"],
            "mib": round(model.stat().st_size / 2**20, 2),
            "latency_ms": latency,
        }
    return found


def _evaluate(scores: Path, truth: Path, result: Path, run: RunCommand) -> float:
    run(["evaluate", f"{scores}", "--truth", f"{truth}", "--json", f"{result}"])
    return float(read_json(result)["map"])


def _supervised_bound(world: World, out: Path, seed: int, run: RunCommand) -> float:
    """The same student on true labels: what no pseudo-label can beat."""
    labels = PseudoLabels.read(out / "labels")
    truth = read_truth(world.train_truth).for_paths(labels.paths, labels.classes)
    supervised = out / "supervised"
    PseudoLabels(
        root=labels.root,
        paths=labels.paths,
        classes=labels.classes,
        scores=truth.astype(np.float32),
        thresholds=np.full(len(labels.classes), 0.5, np.float32),
        provenance={"made_by": "cdul-edge demo --supervised: true labels, for the bound only"},
    ).write(supervised / "labels.parquet")
    run(
        ["train", f"{supervised / 'labels.parquet'}", *STUDENT, "--method", "fixed"]
        + ["--val", f"{world.heldout}", "--truth", f"{world.heldout_truth}"]
        + ["--seed", f"{seed}", "--out", f"{supervised / 'run'}"]
    )
    last = (supervised / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    return float(json.loads(last)["val"]["map"])


def _latency(out: Path) -> dict[str, float]:
    """Median ms of one forward pass at batch 1 in torch and in ONNX Runtime, taking turns.

    Each side has one thread: how torch's threads wait for each other (OMP_WAIT_POLICY) changes a
    small network's latency threefold, and says nothing about the two.
    """
    import torch

    from cdul_edge.training.run_folder import load_run

    network, picture = (
        load_run(out / "run").network,
        Bundle.load(out / "bundle").reference().inputs[:1],
    )
    tensor = torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fp32 = Classifier.load(out / "bundle", device="cpu", precision="fp32", threads=1)
        with fp32 as classifier, torch.inference_mode():
            calls: dict[str, Callable[[], object]] = {
                "torch_ms": lambda: network(tensor),
                "onnxruntime_ms": lambda: classifier.backend.infer(picture),
            }
            found = measure_latency(calls, repeats=100, warm_up=10)
    finally:
        torch.set_num_threads(before)
    return {name: latency.p50_ms for name, latency in found.items()}


def _draw_samples(world: World, out: Path, settings: DemoSettings) -> None:
    pictures = find_images(world.heldout)
    lines = (out / "predictions_heldout.jsonl").read_text(encoding="utf-8").splitlines()
    predictions = {Path(row["path"]).name: row for row in map(json.loads, lines)}
    truth = read_truth(world.heldout_truth)
    samples = []
    for index in range(min(settings.samples, len(pictures))):
        picture = pictures.absolute(index)
        row = predictions[picture.name]
        present = truth.labels[truth.paths.index(f"heldout/{picture.name}")]
        names = [name for name, value in zip(truth.classes, present, strict=True) if value == 1]
        scores = {name: row["scores"][name] for name in row["labels"]}
        samples.append(Sample(picture, scores, frozenset(names)))
    draw_contact_sheet(samples, out / "contact_sheet.png")


def _report(
    settings: DemoSettings,
    accuracy: dict[str, float],
    precisions: dict[str, dict[str, Any]],
    latency: dict[str, float],
    watch: Stopwatch,
) -> dict[str, Any]:
    out = settings.out
    names = {
        "world": "world",
        "labels": "labels",
        "run": "run",
        "bundle": "bundle",
        "verify": "verify.json",
        "predictions": "predictions_heldout.jsonl",
        "contact_sheet": "contact_sheet.png",
    }
    return {
        "map": {name: round(value, 2) for name, value in accuracy.items()},
        "precisions": precisions,
        "latency_ms": {name: round(value, 3) for name, value in latency.items()},
        "seconds": round(sum(watch.seconds.values()), 1),
        "stage_seconds": {stage: round(value, 1) for stage, value in watch.seconds.items()},
        "paths": {name: str(out / path) for name, path in names.items()},
        "settings": {"seed": settings.seed, "student": " ".join(STUDENT)},
        "machine": describe_machine(),
    }
