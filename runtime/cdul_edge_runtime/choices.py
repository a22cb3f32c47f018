"""Choices that commands offer and the library takes, each declared once; imports nothing."""

from __future__ import annotations

from typing import Literal, get_args

# How a picture, or a view of one, becomes a network's input; see `Preprocess`.
Resize = Literal["squash", "center", "letterbox"]
# How the picture between them is computed, antialiased.
Interpolation = Literal["bilinear", "bicubic"]
# The order of an array's channels; OpenCV gives "bgr".
Color = Literal["rgb", "bgr"]
# What the objects that VOC marks as difficult count as.
Difficult = Literal["negative", "ignore", "positive"]
# How precision is averaged over recall; see `average_precision`.
ApConvention = Literal["area", "voc2010", "voc2007"]
# "cpu", "cuda" and "ort-tensorrt" are execution providers of ONNX Runtime; "tensorrt" and
# "tensorrt-rtx" are engines that `cdul-edge build` made, run without ONNX Runtime; "openvino" runs
# the ONNX files by itself.
Device = Literal["cpu", "cuda", "ort-tensorrt", "tensorrt", "tensorrt-rtx", "openvino"]
DEVICES: tuple[Device, ...] = get_args(Device)
PrecisionName = Literal["fp32", "bf16", "fp16", "int8", "int8-cpu"]  # the values of `Precision`

# NVIDIA's two libraries with one interface: TensorRT, and TensorRT for RTX.
Flavor = Literal["tensorrt", "rtx"]
FLAVORS: tuple[Flavor, ...] = get_args(Flavor)
# The devices that run engines, and the library that each engine was built with.
ENGINE_FLAVORS: dict[Device, Flavor] = {"tensorrt": "tensorrt", "tensorrt-rtx": "rtx"}
ENGINE_DEVICES: dict[Flavor, Device] = {flavor: one for one, flavor in ENGINE_FLAVORS.items()}

# What can be asked for: "auto" is the fastest that is here, "all" goes through every one.
PrecisionRequest = Literal["auto", "all", PrecisionName]
FlavorRequest = Literal["auto", Flavor]
# How calibration takes the range of an activation: all values, or 99.999 % of them.
RangeMethod = Literal["minmax", "percentile"]

# For whom `export-config` writes; what serves a bundle's file in Triton, and where it runs.
Pipeline = Literal["deepstream", "triton"]
TritonBackend = Literal["onnxruntime", "tensorrt"]
InstanceKind = Literal["auto", "cpu", "gpu"]

# How an RTSP camera sends its packets.
Transport = Literal["tcp", "udp"]
TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
