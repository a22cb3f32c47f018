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

from benchmarks.networks import add_int8_cpu, export_random
from benchmarks.record import record
from cdul_edge_runtime.bench.latency import measure_latency
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier

# (network, side in px, largest allowed ratio of the medians)
CASES = (("resnet18", 224, 1.25), ("resnet50", 224, 1.25), ("resnet50", 448, 1.15))
PRECISIONS = (Precision.FP32, Precision.INT8_CPU)


def measure_case(
    bundle: Path, precision: Precision, *, threads: int, repeats: int
) -> dict[str, Any]:
    """Latencies by side, and the ratio of end to end to the bare session."""
    frame = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    chosen = Classifier.load(bundle, device="cpu", precision=precision.value, threads=threads)
    with chosen as classifier:
        infer, ready = classifier.backend.infer, classifier.prepare(frame)[np.newaxis]
        calls = {
            "end_to_end": lambda: classifier.predict(frame),
            "bare_session": lambda: infer(ready),
            "prepare": lambda: classifier.prepare(frame),
        }
        found = measure_latency(calls, repeats=repeats, warm_up=20)
    ratio = found["end_to_end"].p50_ms / found["bare_session"].p50_ms
    sides = {side: asdict(latency) for side, latency in found.items()}
    return {**sides, "ratio_p50": round(ratio, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for name, size_px, limit in CASES:
        with tempfile.TemporaryDirectory() as folder:
            bundle, _ = export_random(name, size_px, Path(folder, "bundle"))
            add_int8_cpu(bundle)
            for precision in PRECISIONS:
                found = measure_case(
                    bundle, precision, threads=options.threads, repeats=options.repeats
                )
                figures[f"{name}_{size_px}_{precision.value}"] = {**found, "limit": limit}
                print(f"{name} {size_px} px {precision.value}: {found['ratio_p50']} ({limit})")
    record("predict_latency", figures, threads=options.threads)


if __name__ == "__main__":
    main()
