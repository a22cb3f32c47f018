"""Bundles to measure: torchvision networks with random weights, as fast as trained ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
import torchvision

from cdul_edge_calibration.accuracy import measure_accuracy
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu
from cdul_edge_export.bundle_export import ExportRequest, export
from cdul_edge_export.reference import ReferencePictures
from cdul_edge_runtime.bundle.bundle import Bundle, record_file
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Limits, PrecisionRecord
from cdul_edge_runtime.pictures.preprocess import Preprocess

CLASSES = ClassList(tuple(f"class {n}" for n in range(20)))


def export_random(name: str, size_px: int, out: Path) -> tuple[Path, torch.nn.Module]:
    """A bundle of a torchvision network whose weights are random and batch statistics are not."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None, num_classes=len(CLASSES))
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 64, 64))
    inputs = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)
    export(
        ExportRequest(
            network=network.eval(),
            out=out,
            classes=CLASSES,
            preprocess=Preprocess(size_px, size_px),
            thresholds=np.full(len(CLASSES), 0.5, np.float32),
            reference=ReferencePictures(inputs, ("0", "1")),
            provenance={"by": "benchmarks/networks.py"},
        )
    )
    return out, network


def add_int8_cpu(folder: Path) -> None:
    """The int8-cpu file with its record; ranges from noise, so the answers mean nothing."""
    bundle = Bundle.load(folder)
    inputs, model = bundle.reference().inputs, bundle.model_path()
    graph = quantize_for_cpu(onnx.load(model), measure_ranges(model, lambda: iter([inputs])))
    path = folder / Precision.INT8_CPU.file_name
    onnx.save(graph, path)
    scores = np.full((1, len(bundle.manifest.classes)), 0.5, np.float32)
    PrecisionRecord(
        precision=Precision.INT8_CPU,
        sha256=record_file(path).sha256,
        bytes=record_file(path).bytes,
        source_sha256=bundle.fp32_sha256,
        limits=Limits(0.5, 0.02, 1.0),
        accuracy=measure_accuracy(
            scores, scores, bundle.manifest.thresholds, near=0, against="nothing"
        ),
        within_budget=True,
    ).write(folder)
