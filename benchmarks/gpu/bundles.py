"""Bundles that ONNX Runtime and TensorRT are held to: random weights, as fast as trained ones."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx

from benchmarks.gpu.step import Context
from benchmarks.networks import warmed, write_bundle
from cdul_edge.demo.world import paint_world
from cdul_edge_calibration.accuracy import measure_accuracy, score_batches
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.fp16 import find_fp16_hazards, to_fp16
from cdul_edge_calibration.graphs.layers import name_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_export.reference import choose_reference
from cdul_edge_runtime.bundle.bundle import Bundle, record_file
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Limits, PrecisionRecord
from cdul_edge_runtime.pictures.images import find_images

QUICK_NETWORK = "clip:demo"
SIDE_PX, QUICK_SIDE_PX = 224, 32
_PICTURES = 16
# What a GPU's score may differ by from the same file's on the CPU: half has 11 bits, and a value
# at the edge between two of INT8's steps may fall to either side, layer after layer.
_SLACK = {Precision.FP16: 0.01, Precision.INT8: 0.05}


def make_bundle(context: Context, network: str, reduced: Collection[Precision]) -> Path:
    """A network's bundle, whose `verify` allows what a GPU may round otherwise.

    Args:
        context: of the step; the bundle lands in its folder.
        network: a `--network`, at 224 px; with `--quick` another, which is small.
        reduced: FP16 and INT8, or one of them.
    """
    world = paint_world(context.folder / "world", train=_PICTURES, heldout=1, seed=0)
    pictures = find_images(world.train)
    side = context.size(SIDE_PX, QUICK_SIDE_PX)
    subject = warmed(context.size(network, QUICK_NETWORK), pictures, side)
    reference = choose_reference(pictures, subject.preprocess, count=_PICTURES)
    bundle = write_bundle(subject, reference, context.folder)
    model = onnx.load(bundle.model_path())
    name_nodes(model)
    ranges = measure_ranges(bundle.model_path(), lambda: iter([reference.inputs]))
    if Precision.FP16 in reduced:
        _add(bundle, Precision.FP16, to_fp16(model, find_fp16_hazards(model, ranges)))
    if Precision.INT8 in reduced:
        _add(bundle, Precision.INT8, quantize_for_tensorrt(model, ranges))
    return bundle.folder


def _add(bundle: Bundle, precision: Precision, model: onnx.ModelProto) -> None:
    """A reduced file, and a record that allows what it loses on the CPU and a little more."""
    path = bundle.folder / precision.file_name
    onnx.save(model, path)
    inputs, fp32 = bundle.reference().inputs, bundle.reference().scores
    scores, against = score_batches(path, [inputs], precision)
    error = float(np.abs(scores - fp32).max())
    accuracy = measure_accuracy(
        scores, fp32, bundle.manifest.thresholds, near=_SLACK[precision], against=against
    )
    found = record_file(path)
    PrecisionRecord(
        precision=precision,
        sha256=found.sha256,
        bytes=found.bytes,
        source_sha256=bundle.fp32_sha256,
        limits=Limits(100.0, 1.0, error + _SLACK[precision]),
        accuracy=accuracy,
        within_budget=True,
    ).write(bundle.folder)
