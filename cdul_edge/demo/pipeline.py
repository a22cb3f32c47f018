"""The whole job on the drawn world, through the same commands that do it on photographs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cdul_edge.demo.contact_sheet import Sample, draw_contact_sheet
from cdul_edge.demo.report import DemoRequest, DemoResult, Latency, PrecisionCost, Stopwatch
from cdul_edge.demo.world import WORLD_FOLDER, World, paint_world
from cdul_edge.labels.manifest import LABELS_FOLDER
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.run_folder import RUN_FOLDER
from cdul_edge.version import __version__
from cdul_edge_runtime.bench.latency import measure_latency
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.folder_kind import BUNDLE_FOLDER
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.files import read_json, refuse_existing, write_json
from cdul_edge_runtime.host.machine import describe_machine
from cdul_edge_runtime.host.ownership import (
    PROGRAM,
    FolderKind,
    names_program,
    remove_own,
)
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images

# The tiny CLIP's own trunk, as no other pretrained weights exist here, and the settings that feed
# it within minutes on two cores (cdul_edge/training/presets.py).
STUDENT = ("--preset", "demo")
RESULT = "demo.json"

RunCommand = Callable[[Sequence[str]], None]

DEMO_FOLDER = FolderKind(
    "demo",
    RESULT,
    (
        "*.json",
        "predictions_*.jsonl",
        "contact_sheet.png",
        "report.html",
        *WORLD_FOLDER.inside("world"),
        *LABELS_FOLDER.inside("labels"),
        *RUN_FOLDER.inside("run"),
        *BUNDLE_FOLDER.inside("bundle"),
        "supervised/labels.parquet",
        *RUN_FOLDER.inside("supervised/run"),
    ),
    lambda report: names_program(report) or "stage_seconds" in report,  # until 0.1 without a name
)


def demo(request: DemoRequest, run: RunCommand) -> DemoResult:
    """Paint, label, train, export, calibrate, verify and predict into `request.out`.

    Args:
        request: where, and how much.
        run: carries out one `cdul-edge` command, and raises when the command fails: the demo runs
            exactly what it shows.

    Raises:
        CdulEdgeError: `request.out` exists and `request.force` is not set.
    """
    out, watch = request.out, Stopwatch()
    world = _paint(request)
    watch.lap("paint")
    accuracy = _label(world, out, run)
    watch.lap("label")
    _train(world, out, request.seed, run)
    watch.lap("train")
    run(["export", f"{out / 'run'}", "--out", f"{out / 'bundle'}"])
    watch.lap("export")
    run(["calibrate", f"{out / 'bundle'}", "--images", f"{world.train}"])
    watch.lap("calibrate")
    accuracy |= _predict(world, out, run)
    watch.lap("predict")
    precisions = _verify(world, out, run)
    watch.lap("verify")
    if request.supervised:
        accuracy["supervised_heldout"] = _supervised_bound(world, out, request.seed, run)
        watch.lap("supervised bound")
    latency = _compare_latency(out)
    _draw_samples(world, out, request.samples)
    _report(out, run)
    watch.lap("report")
    result = DemoResult(
        out=out,
        map=accuracy,
        precisions=precisions,
        latency=latency,
        stage_seconds=watch.seconds,
        seed=request.seed,
        student=" ".join(STUDENT),
        machine=describe_machine(),
    )
    write_json(out / RESULT, result.to_dict())
    return result


def _paint(request: DemoRequest) -> World:
    refuse_existing(request.out, DEMO_FOLDER, force=request.force)
    if request.out.exists():
        remove_own(request.out, DEMO_FOLDER)
    # says whose folder it is, until the result does
    write_json(request.out / RESULT, {"program": PROGRAM, "version": __version__, "stage": "demo"})
    return paint_world(
        request.out / "world",
        train=request.train_pictures,
        heldout=request.heldout_pictures,
        seed=request.seed,
    )


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


def _verify(world: World, out: Path, run: RunCommand) -> dict[str, PrecisionCost]:
    """Verify every precision on the held-out pictures, on this CPU."""
    run(
        ["verify", f"{out / 'bundle'}", "--precision", "all", "--backend", "cpu"]
        + ["--images", f"{world.heldout}", "--truth", f"{world.heldout_truth}"]
        + ["--json", f"{out / 'verify.json'}"]
    )
    rows = read_json(out / "verify.json")["rows"]
    return {
        row["precision"]: PrecisionCost.from_row(
            row, out / "bundle" / Precision(row["precision"]).file_name
        )
        for row in rows
    }


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


def _compare_latency(out: Path) -> Latency:
    """Time one forward pass at batch 1 in PyTorch and in ONNX Runtime, taking turns.

    Each side has one thread: how torch's threads wait for each other (OMP_WAIT_POLICY) changes a
    small network's latency threefold, and says nothing about the two.
    """
    import torch

    from cdul_edge.training.run_folder import load_run

    network = load_run(out / "run").network
    picture = Bundle.load(out / "bundle").reference().inputs[:1]
    tensor = torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fp32 = Classifier.load(out / "bundle", device="cpu", precision="fp32", threads=1)
        with fp32 as classifier, torch.inference_mode():
            calls: dict[str, Callable[[], object]] = {
                "torch": lambda: network(tensor),
                "onnxruntime": lambda: classifier.backend.infer(picture),
            }
            found = measure_latency(calls, repeats=100, warm_up=10)
    finally:
        torch.set_num_threads(before)
    return Latency(found["torch"].p50_ms, found["onnxruntime"].p50_ms)


def _report(out: Path, run: RunCommand) -> None:
    """One page of all stages, from what they wrote."""
    shown = (
        *("labels", "run", "bundle", "verify.json", "pseudo_labels.json"),
        *("student_heldout.json", "predictions_heldout.jsonl"),
    )
    run(["report", *(f"{out / name}" for name in shown), "--out", f"{out / 'report.html'}"])


def _draw_samples(world: World, out: Path, count: int) -> None:
    pictures = find_images(world.heldout)
    lines = (out / "predictions_heldout.jsonl").read_text(encoding="utf-8").splitlines()
    predictions = {Path(row["path"]).name: row for row in map(json.loads, lines)}
    truth = read_truth(world.heldout_truth)
    samples = []
    for index in range(min(count, len(pictures))):
        picture = pictures.absolute(index)
        row = predictions[picture.name]
        present = truth.labels[truth.paths.index(f"heldout/{picture.name}")]
        names = [name for name, value in zip(truth.classes, present, strict=True) if value == 1]
        scores = {name: row["scores"][name] for name in row["labels"]}
        samples.append(Sample(picture, scores, frozenset(names)))
    draw_contact_sheet(samples, out / "contact_sheet.png")
