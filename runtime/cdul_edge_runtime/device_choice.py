"""A device as it is asked for and reported: its kind, and which of several GPUs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cdul_edge_runtime.choices import DEVICES, Device
from cdul_edge_runtime.errors import CdulEdgeError

Auto = Literal["auto"]
_NUMBERED = re.compile(r"([^:]+):(0|[1-9][0-9]{0,2})", re.ASCII)


@dataclass(frozen=True)
class DeviceChoice:
    """A kind of device, and the number of its GPU; `str` writes it as it is asked for.

    Attributes:
        kind: one of `DEVICES`.
        gpu: its number among those that CUDA_VISIBLE_DEVICES shows, from 0; 0 for the CPU.
    """

    kind: Device
    gpu: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.gpu}" if self.gpu else self.kind


def parse_device(text: str) -> DeviceChoice | Auto:
    """Read "auto", "cpu", "cuda", "cuda:1" and so on.

    Raises:
        CdulEdgeError: a device that does not exist, or a number that cannot be a GPU's.
    """
    if text == "auto":
        return "auto"
    found = _NUMBERED.fullmatch(text) if isinstance(text, str) else None
    name, number = found.groups() if found else (text, None)
    kind = next((device for device in DEVICES if device == name), None)
    if kind is None or (kind == "cpu" and number is not None):
        raise CdulEdgeError(f"unknown device {text!r}: {_expected(text)}")
    return DeviceChoice(kind, int(number or 0))


def _expected(text: object) -> str:
    before, _, after = text.partition(":") if isinstance(text, str) else ("", "", "")
    if after and before in ("auto", "cpu"):
        return f"{before} takes no GPU number: leave :{after} out"
    return (
        f"expected auto, {', '.join(DEVICES)}, or one of several GPUs as in cuda:1, whose number "
        "follows a colon and counts from 0"
    )
