"""What `Classifier.predict` costs on a camera frame, against the bare session on a ready input.

End to end: a (720, 1280, 3) uint8 frame in, a `Prediction` out: resize, inference, thresholds.
Bare: `session.run` on the resized input (the backend's `infer` is that call and nothing else). The
two take turns on one session: two sessions would fight for the cores with their waiting threads.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

from benchmarks.record import record
from cdul_edge_export.onnx_export import export_bundle
from cdul_edge_runtime.classes import ClassList
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.latency import measure_latency
from cdul_edge_runtime.preprocess import Preprocess

# (network, side in px, largest allowed ratio of the medians)
CASES = (("resnet18", 224, 1.25), ("resnet50", 448, 1.15))
CLASSES = ClassList(tuple(f"class {n}" for n in range(20)))


def export_random(name: str, size_px: int, out: Path) -> tuple[Path, torch.nn.Module]:
    """A bundle of a torchvision network whose weights are random and batch statistics are not."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None, num_classes=len(CLASSES))
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 64, 64))
    inputs = np.random.default_rng(0).integers(0, 256, (2, size_px, size_px, 3), dtype=np.uint8)
    export_bundle(
        network.eval(),
        out,
        classes=CLASSES,
        preprocess=Preprocess(size_px, size_px),
        thresholds=np.full(len(CLASSES), 0.5, np.float32),
        reference_inputs=inputs,
        provenance={"by": "benchmarks/predict_latency.py"},
    )
    return out, network


def measure_case(name: str, size_px: int, *, threads: int, repeats: int) -> dict[str, Any]:
    frame = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        bundle, _ = export_random(name, size_px, Path(folder, "bundle"))
        with Classifier.load(bundle, threads=threads) as classifier:
            infer, ready = classifier.backend.infer, classifier.prepare(frame)[np.newaxis]
            calls = {
                "end_to_end": lambda: classifier.predict(frame),
                "bare_session": lambda: infer(ready),
                "prepare": lambda: classifier.prepare(frame),
            }
            found = measure_latency(calls, repeats=repeats, warm_up=20)
    return {side: asdict(latency) for side, latency in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args()
    figures = {}
    for name, size_px, limit in CASES:
        found = measure_case(name, size_px, threads=options.threads, repeats=options.repeats)
        ratio = found["end_to_end"]["p50_ms"] / found["bare_session"]["p50_ms"]
        figures[f"{name}_{size_px}"] = {**found, "ratio_p50": round(ratio, 3), "limit": limit}
        print(f"{name} {size_px} px: {ratio:.3f} (limit {limit})")
    record("predict_latency", figures, threads=options.threads)


if __name__ == "__main__":
    main()
