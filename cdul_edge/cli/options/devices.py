"""Device and precision of a bundle, in the same words in every command that runs one."""

from __future__ import annotations

from enum import Enum

from cdul_edge_runtime.errors import CdulEdgeError


class DeviceChoice(str, Enum):
    """What runs the network; auto is the fastest that is there."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    ORT_TENSORRT = "ort-tensorrt"
    TENSORRT = "tensorrt"


class DevicesChoice(str, Enum):
    """The same for a command that can go through all."""

    AUTO = "auto"
    ALL = "all"
    CPU = "cpu"
    CUDA = "cuda"
    ORT_TENSORRT = "ort-tensorrt"
    TENSORRT = "tensorrt"


class FileChoice(str, Enum):
    """Which ONNX file of a bundle; auto is the fastest that is there and within its budget."""

    AUTO = "auto"
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT8_CPU = "int8-cpu"


class FilesChoice(str, Enum):
    """The same for a command that can go through all."""

    AUTO = "auto"
    ALL = "all"
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT8_CPU = "int8-cpu"


def parse_counts(text: str, option: str) -> list[int]:
    """Read "1,4,16"; raises `CdulEdgeError` for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) >= 1 for part in parts):
        raise CdulEdgeError(f"{option} {text}: expected whole numbers from 1, such as 1,4,16")
    return [int(part) for part in parts]
