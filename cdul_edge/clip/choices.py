"""Where CLIP runs, in which precision, and what computes its images' embeddings."""

from __future__ import annotations

from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
# What runs CLIP's image tower: PyTorch, or on a CPU the exported graph in another library.
Exported = Literal["openvino", "onnx"]
Library = Literal["torch", "openvino", "onnx"]
Encoder = Literal["auto", "torch", "openvino", "onnx"]
