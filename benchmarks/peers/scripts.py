"""What people write instead: OpenCV resizes the frame, and a library runs the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.pictures.preprocess import IMAGENET_MEAN, IMAGENET_STD

Frame = npt.NDArray[np.uint8]
Script = Callable[[Frame], npt.NDArray[np.bool_]]
SCRIPT = "onnxruntime + cv2 script"


def onnxruntime_script(model: Path, side_px: int, threads: int) -> Script:
    """OpenCV's LINEAR, normalization in NumPy, ONNX Runtime on a plain export."""
    import cv2
    import onnxruntime

    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    mean, std = (np.array(values, np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD))

    def run(frame: Frame) -> npt.NDArray[np.bool_]:
        small = cv2.resize(frame, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
        pixels = cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        images = ((pixels - mean) / std).transpose(2, 0, 1)[np.newaxis]
        logits: npt.NDArray[np.float32] = session.run(None, {"images": images})[0][0]
        labels: npt.NDArray[np.bool_] = 1 / (1 + np.exp(-logits)) >= 0.5
        return labels

    return run


def openvino_script(model: Path, side_px: int, threads: int, precision: str) -> Script:
    """OpenCV's LINEAR, and OpenVINO on a file of `cdul-edge export`, which normalizes itself.

    Args:
        precision: OpenVINO's hint: "f32" or "bf16".
    """
    import cv2
    import openvino

    cv2.setNumThreads(threads)
    hints: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    network = openvino.Core().compile_model(model, "CPU", hints)

    def run(frame: Frame) -> npt.NDArray[np.bool_]:
        small = cv2.resize(frame, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
        images = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)[np.newaxis]
        labels: npt.NDArray[np.bool_] = network(images)[0][0] >= 0.5
        return labels

    return run
