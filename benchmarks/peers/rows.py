"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.peers.row import Row, Setting
from benchmarks.rows import find_named

_CV2 = {"cv2": "opencv-python-headless"}


def _later(module: str, function: str) -> Callable[[Setting], Any]:
    """A function of this package, imported when it is called."""

    def call(setting: Setting) -> Any:
        return getattr(import_module(f"benchmarks.peers.{module}"), function)(setting)

    return call


_EXPORTED = _later("subjects", "subjects")
_SETTLED = _later("settled", "settle_all")

ROWS = (
    Row(
        "overhead",
        "A frame beyond the network",
        _CV2,
        _later("predict", "measure_overhead"),
        _EXPORTED,
    ),
    Row(
        "predict",
        "Beside a script of onnxruntime",
        _CV2,
        _later("predict", "measure_predict"),
        _SETTLED,
    ),
    Row(
        "openvino",
        "Beside a script of OpenVINO",
        {**_CV2, "openvino": "openvino"},
        _later("predict", "measure_openvino"),
        _EXPORTED,
    ),
    Row(
        "ultralytics",
        "A frame beyond the network, beside Ultralytics",
        {"ultralytics": "ultralytics", **_CV2},
        _later("yolo", "measure_ultralytics"),
        _EXPORTED,
    ),
    Row(
        "torchvision",
        "Beside torchvision without an export",
        {},
        _later("torchvision_eager", "measure_torchvision"),
        _SETTLED,
    ),
    Row("label-vit", "Labeling with ViT-B/32", {}, _later("label", "measure_vit")),
    Row("label-rn50", "Labeling with RN50", {}, _later("label", "measure_resnet")),
    Row(
        "transformers",
        "Labeling beside transformers",
        {"transformers": "transformers", "tokenizers": "tokenizers"},
        _later("label", "measure_transformers"),
    ),
    Row("train-resnet18", "Training ResNet-18", {}, _later("train", "measure_resnet18")),
    Row("train-lite0", "Training EfficientNet-Lite0", {}, _later("train", "measure_lite0")),
    Row("start", "Cold start and memory", _CV2, _later("cold_start", "measure_start"), _EXPORTED),
)


def find_rows(names: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of these names in their order; all of them without names.

    Raises:
        CdulEdgeError: a name that no row has.
    """
    return find_named(ROWS, names)


def what_is_missing(row: Row) -> str:
    """Why the row cannot be measured here; empty where it can."""
    missing = [package for module, package in row.needs.items() if find_spec(module) is None]
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{' and '.join(missing)} {verb} not installed (pip install {' '.join(missing)})"
