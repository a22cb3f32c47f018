"""Device and precision of a bundle, in the same words in every command that runs one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from rich.console import Console

from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from cdul_edge_runtime.bench.combinations import Unavailable
    from cdul_edge_runtime.classifier import Classifier


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


def say_selection(classifier: Classifier) -> None:
    """One line on stderr: what runs, and why."""
    if classifier.selection is not None:
        Console(stderr=True, soft_wrap=True).print(
            f"runs {classifier.selection}", style="dim", markup=False, highlight=False
        )


def say_unavailable(unavailable: Iterable[Unavailable], console: Console) -> None:
    """A line a reason: what "all" did not find here."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for missing in unavailable:
        # what several devices lack for one reason stands once
        reason = missing.reason.removeprefix(f"{missing.device} was asked for, and ")
        reasons.setdefault(reason, {}).setdefault(missing.device, []).append(missing.precision)
    for reason, found in reasons.items():
        devices: dict[str, list[str]] = {}
        for device, precisions in found.items():
            devices.setdefault("/".join(precisions), []).append(device)
        where = "; ".join(f"{', '.join(names)} {files}" for files, names in devices.items())
        console.print(f"not here: {where}: {reason}", style="dim", markup=False, soft_wrap=True)


def parse_counts(text: str, option: str) -> list[int]:
    """Read "1,4,16"; raises `CdulEdgeError` for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) >= 1 for part in parts):
        raise CdulEdgeError(f"{option} {text}: expected whole numbers from 1, such as 1,4,16")
    return [int(part) for part in parts]
