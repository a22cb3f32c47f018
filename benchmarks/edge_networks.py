"""The edge families of timm, from PyTorch to the files of a device.

Each network is exported (its scores against PyTorch's), made FP16, and quantized for TensorRT and
for x86 CPUs; FP32 and int8-cpu then take turns on this CPU, batch 1. TensorRT's rules are asked of
the graph, no TensorRT is run. Weights are random with the photographs' batch statistics, which is
as fast as trained ones; what INT8 costs is measured on EfficientNet-Lite0 alone, the one whose
ImageNet weights a registry has: its head is trained here on free labels of the photographs, and
`calibrate` measures it on others of them.

    python -m benchmarks.edge_networks [--data DIR] [--threads 2] [--turns 4]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import torch

from benchmarks.lite0 import NETWORK as LITE0
from benchmarks.lite0 import write_weights
from benchmarks.networks import REFERENCES, Subject, warmed, write_bundle
from benchmarks.photographs import DATA, Photographs
from benchmarks.precision_latency import take_turns
from benchmarks.real_world import SIMILARITIES
from benchmarks.record import median_ratio, record
from cdul_edge.labelling import ImportRequest, label
from cdul_edge.training import TrainConfig, TrainRequest, train
from cdul_edge.training.run_folder import load_run
from cdul_edge_calibration import CalibrateRequest, calibrate
from cdul_edge_calibration.accuracy import score_batches
from cdul_edge_calibration.data.ranges import Ranges, measure_ranges
from cdul_edge_calibration.graphs.fp16 import find_fp16_hazards, to_fp16
from cdul_edge_calibration.graphs.layers import name_nodes, work_share
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import count_int8_convolutions, find_violations
from cdul_edge_export.reference import ReferencePictures, choose_reference
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList, find_images

NETWORKS = (
    LITE0, "mobilenetv4_conv_small", "mobilenetv3_small_100", "efficientnet_b0", "ghostnetv2_100",
    "mobileone_s0", "repvit_m0_9", "fastvit_t8", "regnety_004", "resnet18d", "resnet50d",
    "convnextv2_atto", "vit_tiny_patch16_224",
)  # fmt: skip
LEARNED = 300  # photographs that the head of EfficientNet-Lite0 learns from
CALIBRATED, CHECKED = 64, 400


def trained_lite0(photographs: Photographs, work: Path) -> tuple[Subject, PictureList]:
    """EfficientNet-Lite0 whose new head learned for two epochs, and the pictures it never saw."""
    pictures = find_images(photographs.train)
    few = work / "few"
    few.mkdir()
    for path in pictures.paths[:: len(pictures.paths) // LEARNED][:LEARNED]:
        (few / path).symlink_to(photographs.train / path)
    label(ImportRequest(photographs.folder.parent / SIMILARITIES, work / "labels", images=few))
    weights = write_weights(work / "lite0.safetensors")
    settings = TrainConfig(
        network=f"timm:{LITE0}", weights=str(weights), method="fixed", epochs=2,
        freeze_trunk_epochs=2,
    )  # fmt: skip
    train(TrainRequest(work / "labels", work / "run", settings))
    run = load_run(work / "run")
    learned = set(run.pictures.paths)
    rest = tuple(path for path in pictures.paths if path not in learned)
    subject = Subject(run.network, run.classes, run.preprocess, run.thresholds)
    return subject, PictureList(pictures.root, rest)


def measure(subject: Subject, pictures: PictureList, folder: Path) -> dict[str, Any]:
    """Parity, FP16's error, TensorRT's rules, and INT8's share; leaves files in `folder`."""
    reference = choose_reference(pictures, subject.preprocess, count=REFERENCES)
    bundle = write_bundle(subject, reference, folder)
    path = bundle.model_path()
    model = onnx.load(path)
    name_nodes(model)
    ranges = measure_ranges(path, lambda: iter([reference.inputs]))
    int8 = quantize_for_tensorrt(model, ranges)
    onnx.save(quantize_for_cpu(model, ranges), folder / "int8-cpu.onnx")
    in_int8, convolutions = count_int8_convolutions(int8)
    violations = find_violations(int8)
    return {
        "parameters": sum(values.numel() for values in subject.network.parameters()),
        "side_px": subject.preprocess.height_px,
        "opset": bundle.manifest.graph.opset,
        "parity_max_error": bundle.manifest.parity.max_error,
        "fp16_max_error": fp16_error(model, ranges, reference, folder),
        "tensorrt_violations": len(violations),
        "convolutions": convolutions,
        "convolutions_in_int8": in_int8,
        "share_of_work_in_int8": round(work_share(model, ["Conv"]), 3),
    }


def fp16_error(
    model: onnx.ModelProto, ranges: Ranges, reference: ReferencePictures, folder: Path
) -> float:
    """Largest difference of the FP16 graph's scores to FP32's, both on this CPU."""
    sides = {"half": to_fp16(model, find_fp16_hazards(model, ranges)), "whole": model}
    for name, graph in sides.items():
        onnx.save(graph, folder / f"{name}.onnx")
    half, _ = score_batches(folder / "half.onnx", [reference.inputs], Precision.FP16)
    whole, _ = score_batches(folder / "whole.onnx", [reference.inputs])
    return float(np.abs(half - whole).max())


def measure_speed(folder: Path, *, threads: int, turns: int) -> dict[str, Any]:
    """FP32 and int8-cpu in turns."""
    fp32, int8 = folder / "bundle" / Precision.FP32.file_name, folder / "int8-cpu.onnx"
    sides = [OrtBackend(path, threads=CpuThreads(threads)) for path in (fp32, int8)]
    one = Bundle.load(folder / "bundle").reference().inputs[:1]
    found = take_turns(
        {"fp32": lambda: sides[0].infer(one), "int8": lambda: sides[1].infer(one)}, turns=turns
    )
    return {
        "fp32_ms": round(1000 * median(found["fp32"]), 2),
        "int8_cpu_ms": round(1000 * median(found["int8"]), 2),
        "int8_cpu_speed_up": round(median_ratio(found["fp32"], found["int8"]), 2),
    }


def measure_cost(folder: Path, pictures: PictureList) -> dict[str, Any]:
    """What `calibrate` finds with its default budget on photographs that taught nothing."""
    request = CalibrateRequest(
        folder / "bundle", pictures, count=CALIBRATED, check_count=CHECKED, force=True
    )
    return {
        outcome.precision.value: {
            "pictures": outcome.accuracy.pictures,
            "flip_rate": outcome.accuracy.flip_rate,
            "flip_rate_interval": outcome.accuracy.flip_rate_interval,
            "map_drop": outcome.accuracy.map_fp32 - outcome.accuracy.map,
            "max_error": outcome.accuracy.max_error,
            "float_layers": len(outcome.float_layers),
            "verdict": outcome.verdict,
        }
        for outcome in calibrate(request).outcomes
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of voc2012-photos")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=4, help="of ten calls of each side")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="only these")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        photographs = Photographs(options.data)
    except CdulEdgeError as error:
        sys.exit(f"edge_networks: {error}")
    figures: dict[str, Any] = {}
    for name in options.network or NETWORKS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            pictures = find_images(photographs.train)
            if name == LITE0:
                subject, pictures = trained_lite0(photographs, folder)
            else:
                subject = warmed(f"timm:{name}", pictures)
            found = measure(subject, pictures, folder)
            found |= measure_speed(folder, threads=options.threads, turns=options.turns)
            found["cost"] = measure_cost(folder, pictures) if name == LITE0 else None
        figures[name] = found
        print(f"{name}: {found}", flush=True)
    record("edge_networks", figures, threads=options.threads)


if __name__ == "__main__":
    main()
