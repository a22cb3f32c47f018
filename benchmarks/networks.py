"""Bundles to measure: networks with random weights, which are as fast as trained ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
import torchvision
from torch import nn

from cdul_edge.training import TrainConfig
from cdul_edge.training.networks.heads import find_heads
from cdul_edge.training.networks.network import create_network
from cdul_edge_calibration.accuracy import measure_accuracy, score_batches
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu
from cdul_edge_export.bundle_export import ExportRequest, export
from cdul_edge_export.reference import ReferencePictures, choose_reference
from cdul_edge_runtime.bundle.bundle import Bundle, record_file
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Limits, PrecisionRecord
from cdul_edge_runtime.pictures.images import PictureList
from cdul_edge_runtime.pictures.preprocess import Preprocess

CLASSES = ClassList(tuple(f"class {n}" for n in range(20)))
REFERENCES = 8  # pictures that parity, batch statistics and ranges are measured on


@dataclass(frozen=True)
class Subject:
    """A network to measure, ready to export."""

    network: nn.Module
    classes: ClassList
    preprocess: Preprocess
    thresholds: npt.NDArray[np.float32]


def warmed(network: str, pictures: PictureList, image_size: int | None = None) -> Subject:
    """A `--network` with random weights, and batch statistics of these pictures."""
    torch.manual_seed(0)
    settings = TrainConfig(
        network=network, weights="none", height_px=image_size, width_px=image_size
    )
    model, plan = create_network(settings, len(CLASSES))
    preprocess = plan.preprocess
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean: otherwise values shrink from layer to layer to nothing
    model.train()
    with torch.no_grad():
        if norms:
            model(_normalized(pictures, preprocess))
        for head in map(model.get_submodule, find_heads(model)):
            assert isinstance(head.weight, torch.Tensor)  # logits of about 1, not of a fresh head
            head.weight.normal_(std=head.weight[0].numel() ** -0.5)
    thresholds = np.full(len(CLASSES), 0.5, np.float32)
    return Subject(model.eval(), CLASSES, preprocess, thresholds)


def _normalized(pictures: PictureList, preprocess: Preprocess) -> torch.Tensor:
    """(N, 3, H, W) as training sees them."""
    mean, std = (torch.tensor(each).reshape(3, 1, 1) for each in (preprocess.mean, preprocess.std))
    shown = choose_reference(pictures, preprocess, count=REFERENCES).inputs
    return (torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255 - mean) / std


def write_bundle(subject: Subject, reference: ReferencePictures, folder: Path) -> Bundle:
    """The exported network."""
    return export(
        ExportRequest(
            network=subject.network,
            out=folder / "bundle",
            classes=subject.classes,
            preprocess=subject.preprocess,
            thresholds=subject.thresholds,
            reference=reference,
        )
    ).bundle


def export_random(name: str, size_px: int, out: Path) -> tuple[Path, torch.nn.Module]:
    """A bundle of a torchvision network whose weights are random and batch statistics are not."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None, num_classes=len(CLASSES))
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 64, 64))
    export_network(network.eval(), size_px, out)
    return out, network


def export_network(network: nn.Module, size_px: int, out: Path) -> None:
    """A bundle of any network of `CLASSES` logits, which refers to two pictures of noise."""
    inputs = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)
    export(
        ExportRequest(
            network=network,
            out=out,
            classes=CLASSES,
            preprocess=Preprocess(size_px, size_px),
            thresholds=np.full(len(CLASSES), 0.5, np.float32),
            reference=ReferencePictures(inputs, ("0", "1")),
            provenance={"by": "benchmarks/networks.py"},
        )
    )


def add_int8_cpu(folder: Path, pictures: int = 0) -> None:
    """The int8-cpu file with its record; ranges from noise, so the answers mean nothing.

    Args:
        folder: of the bundle.
        pictures: of noise that it is compared with FP32 on; 0 compares nothing, and the record
            claims that they are equal.
    """
    bundle = Bundle.load(folder)
    inputs, model = bundle.reference().inputs, bundle.model_path()
    graph = quantize_for_cpu(onnx.load(model), measure_ranges(model, lambda: iter([inputs])))
    path = folder / Precision.INT8_CPU.file_name
    onnx.save(graph, path)
    fp32 = scores = np.full((1, len(bundle.manifest.classes)), 0.5, np.float32)
    if pictures:
        noise = np.random.default_rng(2)
        size = (pictures, *inputs.shape[1:])
        shown = np.array_split(noise.integers(0, 256, size, dtype=np.uint8), pictures)
        fp32, _ = score_batches(model, shown)
        scores, _ = score_batches(path, shown, Precision.INT8_CPU)
    limits = Limits(0.5, 0.02, 1.0)
    accuracy = measure_accuracy(
        scores, fp32, bundle.manifest.thresholds, near=0, against="noise" if pictures else "nothing"
    )
    PrecisionRecord(
        precision=Precision.INT8_CPU,
        sha256=record_file(path).sha256,
        bytes=record_file(path).bytes,
        source_sha256=bundle.fp32_sha256,
        limits=limits,
        accuracy=accuracy,
        within_budget=accuracy.judge(limits) != "broken",
    ).write(folder)
