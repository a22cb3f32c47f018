"""Device and precision of a bundle, in the same words in every command that runs one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import typer

from cdul_edge_runtime.choices import DEVICES, PrecisionName, PrecisionRequest
from cdul_edge_runtime.errors import CdulEdgeError

_DEVICE = (
    "Run the network on this device; cuda:1 is the second of several GPUs, openvino:GPU and "
    "openvino:NPU are Intel's, and auto takes the fastest device that is available"
)
_PRECISION = (
    "Run this file of the bundle, or for bf16 the FP32 file in OpenVINO; auto takes the fastest "
    "that is available and within its budget"
)
_ALL = ", all goes through every one."


def _complete(*more: str) -> Callable[[str], list[str]]:
    """A shell completes the kinds; the number of a GPU is typed."""

    def matching(incomplete: str) -> list[str]:  # the name that typer looks for
        return [name for name in (*more, *DEVICES) if name.startswith(incomplete)]

    return matching


# No list of choices, as a number may follow: the names are checked where they are read.
DeviceOption = Annotated[
    str,
    typer.Option(
        help=f"{_DEVICE}.",
        metavar=f"[auto|{'|'.join(DEVICES)}][:GPU]",
        autocompletion=_complete("auto"),
    ),
]
PrecisionOption = Annotated[Literal["auto", PrecisionName], typer.Option(help=f"{_PRECISION}.")]
DevicesOption = Annotated[
    str,
    typer.Option(
        help=_DEVICE + _ALL,
        metavar=f"[auto|all|{'|'.join(DEVICES)}][:GPU]",
        autocompletion=_complete("auto", "all"),
    ),
]
PrecisionsOption = Annotated[PrecisionRequest, typer.Option(help=_PRECISION + _ALL)]
BatchesOption = Annotated[
    str, typer.Option(help="Measure pictures per second at these batch sizes.")
]


def parse_counts(text: str, option: str) -> list[int]:
    """Read "1,4,16"; raises `CdulEdgeError` for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) >= 1 for part in parts):
        raise CdulEdgeError(f"{option} {text}: expected whole numbers from 1, such as 1,4,16")
    return [int(part) for part in parts]
