"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.row import Row
from benchmarks.peers.row import Comparison, PeersRow, Setting

_PACKAGES = (
    "cdul-edge numpy pillow cykooz-resizer onnxruntime openvino onnx torch torchvision timm "
    "open_clip_torch opencv-python-headless ultralytics transformers"
).split()
_CV2 = {"cv2": "opencv-python-headless"}
_OPENVINO = {**_CV2, "openvino": "openvino"}
_ULTRALYTICS = {"ultralytics": "ultralytics", **_CV2}
_TRANSFORMERS = {"transformers": "transformers", "tokenizers": "tokenizers"}
_EXPORTED, _SETTLED = "subjects:subjects", "settled:settle_all"  # what comes before some rows

BENCHMARK: Benchmark[Comparison] = Benchmark(
    package="benchmarks.peers",
    rows=(
        Row("overhead", "A frame beyond the network", "predict:measure_overhead", _EXPORTED, _CV2),
        Row("predict", "Beside a script of onnxruntime", "predict:measure_predict", _SETTLED, _CV2),
        Row(
            "openvino",
            "Beside a script of OpenVINO",
            "predict:measure_openvino",
            _EXPORTED,
            _OPENVINO,
        ),
        Row(
            "ultralytics",
            "A frame beyond the network, beside Ultralytics",
            "yolo:measure_ultralytics",
            _EXPORTED,
            _ULTRALYTICS,
        ),
        Row(
            "torchvision",
            "Beside torchvision without an export",
            "torchvision_eager:measure_torchvision",
            _SETTLED,
        ),
        Row("label-vit", "Labeling with ViT-B/32", "label:measure_vit"),
        Row("label-rn50", "Labeling with RN50", "label:measure_resnet"),
        Row(
            "transformers",
            "Labeling beside transformers",
            "label:measure_transformers",
            needs=_TRANSFORMERS,
        ),
        Row("train-resnet18", "Training ResNet-18", "train:measure_resnet18"),
        Row("train-lite0", "Training EfficientNet-Lite0", "train:measure_lite0"),
        Row("start", "Cold start and memory", "cold_start:measure_start", _EXPORTED, _CV2),
    ),
    setting=Setting,
    kept=PeersRow,
    packages=tuple(_PACKAGES),
    rounds=5,
    limit_s=120.0,
)
