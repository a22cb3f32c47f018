"""A device as it is asked for and reported: its kind, and which of several GPUs or units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cdul_edge_runtime.choices import DEVICES, Device
from cdul_edge_runtime.errors import CdulEdgeError

Auto = Literal["auto"]
CPU = "CPU"
# Those that compute on the CPU, as `str` writes them.
CPU_DEVICES: tuple[Device, ...] = ("cpu", "openvino")
_NUMBERED = re.compile(r"([^:]+):(0|[1-9][0-9]{0,2})", re.ASCII)
# OpenVINO's own names. Its AUTO, MULTI and HETERO would choose without saying what runs.
_UNITED = re.compile(r"(openvino):(CPU|(?:GPU|NPU)(?:\.(?:0|[1-9][0-9]{0,2}))?)", re.ASCII)


# ONNX Runtime starts as many as it is told to, and hangs where the system gives no more.
_MOST_THREADS = 1024


@dataclass(frozen=True)
class CpuThreads:
    """How a network uses the CPU's cores.

    Attributes:
        within: threads within one operator; None lets the library take every core.
        between: operators (ONNX Runtime) or callers (OpenVINO) that are answered side by side.
        spin: whether ONNX Runtime's threads wait for one another by spinning within a run: a little
            faster, at up to twice the processor's time. Between runs they always sleep.

    Raises:
        CdulEdgeError: a number that is not in 1 to 1024.
    """

    within: int | None = None
    between: int = 1
    spin: bool = True

    def __post_init__(self) -> None:
        for count in (1 if self.within is None else self.within, self.between):
            if not 1 <= count <= _MOST_THREADS:
                raise CdulEdgeError(f"{count} threads: expected 1 to {_MOST_THREADS}")


@dataclass(frozen=True)
class DeviceChoice:
    """A kind of device, and which of several; `str` writes it as it is asked for.

    Attributes:
        kind: one of `DEVICES`.
        gpu: its number among those that CUDA_VISIBLE_DEVICES shows, from 0; 0 for the CPU.
        unit: of "openvino", as OpenVINO calls it: "CPU", "GPU", "GPU.1", "NPU".
    """

    kind: Device
    gpu: int = 0
    unit: str = CPU

    def __str__(self) -> str:
        if self.unit != CPU:
            return f"{self.kind}:{self.unit}"
        return f"{self.kind}:{self.gpu}" if self.gpu else self.kind

    @property
    def on_cpu(self) -> bool:
        """Whether CPU threads compute the network."""
        return str(self) in CPU_DEVICES


def parse_device(text: str) -> DeviceChoice | Auto:
    """Read "auto", "cpu", "cuda", "cuda:1", "openvino:GPU" and so on.

    Raises:
        CdulEdgeError: a device that does not exist, or a number or unit that it cannot have.
    """
    if text == "auto":
        return "auto"
    written = text if isinstance(text, str) else ""
    if found := _UNITED.fullmatch(written):
        return DeviceChoice("openvino", unit=found[2])
    found = _NUMBERED.fullmatch(written)
    name, number = found.groups() if found else (text, None)
    kind = next((device for device in DEVICES if device == name), None)
    if kind is None or (kind in CPU_DEVICES and number is not None):
        raise CdulEdgeError(f"unknown device {text!r}: {_expected(text)}")
    return DeviceChoice(kind, int(number or 0))


def _expected(text: object) -> str:
    before, _, after = text.partition(":") if isinstance(text, str) else ("", "", "")
    if after and before in ("auto", "cpu"):
        return f"{before} takes no GPU number: leave :{after} out"
    if before == "openvino":
        return (
            "expected openvino:CPU, openvino:GPU, openvino:NPU, or one of several as in "
            "openvino:GPU.1"
        )
    return (
        f"expected auto, {', '.join(DEVICES)}, or one of several GPUs as in cuda:1, whose number "
        "follows a colon and counts from 0"
    )
