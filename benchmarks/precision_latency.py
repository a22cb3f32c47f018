"""What INT8 saves on this CPU: PyTorch FP32, ONNX Runtime FP32 and int8-cpu, taking turns.

Batch 1, the same threads for all three, from a ready uint8 input to scores. A turn is a run of
calls of one side, after a pause in which the threads of the side before stop spinning: call by call
the waiting threads of one would take the cores of the other. The networks are torchvision's with
random weights, which is as fast as trained ones; ranges come from noise, so the answers mean
nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import sleep
from typing import Any

import numpy as np
import onnx
import torch

from benchmarks.networks import export_random
from benchmarks.record import interleave, median_ratio, record
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu
from cdul_edge_export.deploy import Deploy
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.pictures.preprocess import Preprocess

# (network, side in px, least speed-up of int8-cpu over ONNX Runtime's FP32)
CASES = (
    ("resnet18", 224, 1.5),
    ("resnet50", 224, 2.2),
    ("resnet50", 448, 2.2),
    ("resnet101", 224, 2.2),
    ("resnet101", 448, 2.2),
)

CALLS = 10  # of one side in a turn
PAUSE_S = 0.3


def measure_case(name: str, size_px: int, *, threads: int, repeats: int) -> dict[str, Any]:
    """Median milliseconds of each side, and medians of the ratios turn by turn."""
    inputs = np.random.default_rng(1).integers(0, 256, (4, size_px, size_px, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        bundle, network = export_random(name, size_px, Path(folder, "bundle"))
        fp32 = bundle / Precision.FP32.file_name
        int8 = Path(folder, Precision.INT8_CPU.file_name)
        ranges = measure_ranges(fp32, lambda: iter([inputs]))
        onnx.save(quantize_for_cpu(onnx.load(fp32), ranges), int8)
        size_mib = {path.name: round(path.stat().st_size / 2**20, 1) for path in (fp32, int8)}
        deployed = Deploy(network, Preprocess(size_px, size_px)).eval()
        one, tensor = inputs[:1], torch.from_numpy(inputs[:1])
        backends = [OrtBackend(path, threads=CpuThreads(threads)) for path in (fp32, int8)]
    with torch.inference_mode():
        calls: dict[str, Callable[[], object]] = {
            "torch_fp32": lambda: deployed(tensor),
            "onnxruntime_fp32": lambda: backends[0].infer(one),
            "onnxruntime_int8_cpu": lambda: backends[1].infer(one),
        }
        seconds = take_turns(calls, turns=repeats // CALLS)
    found = {f"{side}_ms": round(1000 * median(v), 2) for side, v in seconds.items()}
    torch_s, fp32_s, int8_s = seconds.values()
    return {
        **found,
        "onnxruntime_over_torch": round(median_ratio(torch_s, fp32_s), 2),
        "int8_cpu_over_fp32": round(median_ratio(fp32_s, int8_s), 2),
        "int8_cpu_over_torch": round(median_ratio(torch_s, int8_s), 2),
        "size_mib": size_mib,
        "repeats": repeats,
    }


def take_turns(calls: dict[str, Callable[[], object]], *, turns: int) -> dict[str, list[float]]:
    """The median seconds of each side's calls in each turn."""
    medians: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            sleep(PAUSE_S)
            interleave({name: call}, 3)
            medians[name].append(median(interleave({name: call}, CALLS)[name]))
    return medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = {}
    for name, size_px, limit in CASES:
        found = measure_case(name, size_px, threads=options.threads, repeats=options.repeats)
        figures[f"{name}_{size_px}"] = {**found, "limit_int8_cpu_over_fp32": limit}
        print(f"{name} {size_px} px: {found}", flush=True)
    record("precision_latency", figures, threads=options.threads)


if __name__ == "__main__":
    main()
