"""How long one picture takes in torch and in ONNX Runtime, the two taking turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.classifier import Classifier

WARM_UP = 10


def compare_latency(network: torch.nn.Module, bundle: Path, repeats: int = 100) -> dict[str, float]:
    """Median milliseconds of one forward pass at batch 1, decoding and resizing left out.

    Each side has one thread: how torch's threads wait for each other (OMP_WAIT_POLICY) changes a
    small network's latency threefold, and says nothing about the two.

    Args:
        network: float32 normalized NCHW -> logits, in eval mode.
        bundle: the bundle that was exported from it.
        repeats: turns, after `WARM_UP` that are not counted.

    Returns:
        `torch_ms` and `onnxruntime_ms`.
    """
    picture = Bundle.load(bundle).reference().inputs[:1]
    tensor = torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {"torch_ms": [], "onnxruntime_ms": []}
    try:
        fp32 = Classifier.load(bundle, device="cpu", precision="fp32", threads=1)
        with fp32 as classifier, torch.inference_mode():
            sides: dict[str, Callable[[], object]] = {
                "torch_ms": lambda: network(tensor),
                "onnxruntime_ms": lambda: classifier.backend.infer(picture),
            }
            for turn in range(WARM_UP + repeats):
                for name, call in sides.items():
                    start = perf_counter()
                    call()
                    if turn >= WARM_UP:
                        seconds[name].append(perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return {name: 1000 * median(values) for name, values in seconds.items()}
