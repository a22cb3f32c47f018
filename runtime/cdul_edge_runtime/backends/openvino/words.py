"""OpenVINO's reasons in one line, without the places in its source that it names with each."""

from __future__ import annotations

import re
from pathlib import Path

from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.device_choice import CPU, DeviceChoice
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, DeviceError
from cdul_edge_runtime.host.memory_errors import tells_of_memory

_PLACES = re.compile(r"Exception from \S+:\d+:|Check '[^\n]*' failed at \S+:\d+:")


def reason_of(error: Exception) -> str:
    """At most 300 characters."""
    said = str(error)
    short = " ".join(_PLACES.sub(" ", said).split())
    return (short or " ".join(said.split()))[:300]


def explain_no_start(
    unit: str, model: Path, precision: Precision, error: Exception
) -> CdulEdgeError:
    """The error for a device that is there, and does not start with this model."""
    where, said = DeviceChoice("openvino", unit=unit), reason_of(error)
    if tells_of_memory(said):
        return DeviceError(f"{where} has not enough memory for {model} ({said})")
    if precision is Precision.BF16:  # the file is sound: FP32 reads the same one
        return CdulEdgeError(
            f"bf16 was asked for, and {where} cannot compute {model} in it here ({said}): give "
            "precision fp32"
        )
    if unit == CPU:
        return BundleError(f"{model} is not a model that OpenVINO can run ({said})")
    return CdulEdgeError(
        f"{where} cannot start with {model} ({said}): `cdul-edge doctor` shows what is here"
    )
