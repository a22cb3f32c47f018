"""OpenVINO's devices: whether one is here, what it is asked for, and why it cannot have that."""

from __future__ import annotations

import os
import re
from types import ModuleType

from cdul_edge_runtime.backends.openvino.api import Machine
from cdul_edge_runtime.backends.openvino.library import new_core
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.device_choice import CPU, CpuThreads, DeviceChoice
from cdul_edge_runtime.errors import CdulEdgeError

_NEEDS = {
    "GPU": (
        "install Intel's compute runtime (on Debian and Ubuntu: intel-opencl-icd), and let this "
        "user open /dev/dri (group render)"
    ),
    "NPU": "install Intel's NPU driver (intel-level-zero-npu), which makes /dev/accel",
}
# What the system's loader says, among C++ names and paths of OpenVINO's own.
_LOADER = re.compile(r"[\w.+-]+: cannot open shared object file")
INT8 = (Precision.INT8, Precision.INT8_CPU)
# Parts of the names of oneDNN's instruction sets that have bf16, and of those that limit nothing.
_ISA_WITH_BF16 = ("BF16", "FP16", "AMX", "AVX10", "AVX2_VNNI_2", "ALL", "DEFAULT")
_CAPABILITIES = "OPTIMIZATION_CAPABILITIES"
Properties = dict[str, str]


def version_of(openvino: ModuleType) -> str:
    """Such as "2026.4.1", of "2026.4.1-22982-e213a147257-releases/2026/4"."""
    return str(openvino.get_version()).partition("-")[0]


def check_unit(core: Machine, unit: str, version: str) -> None:
    """Refuse a device that OpenVINO does not see.

    Raises:
        CdulEdgeError: it is not here; those that are, and what to install.
    """
    if unit == CPU:  # asking for all of them loads the libraries of each
        return
    here = core.available_devices
    # one of its kind has no number, and the first of several is meant without one
    if unit in here or f"{unit}.0" in here or (unit.endswith(".0") and unit[:-2] in here):
        return
    kind = unit.partition(".")[0]
    listed = ", ".join(here) or "nothing"
    why = "" if kind in {one.partition(".")[0] for one in here} else _missing_library(core, kind)
    fix = "give one of these" if not why and any(one.startswith(kind) for one in here) else ""
    raise CdulEdgeError(
        f"{DeviceChoice('openvino', unit=unit)} was asked for, and OpenVINO {version} sees only "
        f"{listed} here{why}: {fix or _NEEDS[kind]}; `cdul-edge doctor` shows what is here"
    )


def check_precision(
    unit: str, precision: Precision, capabilities: list[str], full_name: str
) -> None:
    """Refuse a precision that the device would only pretend to have.

    Raises:
        CdulEdgeError: it does not compute in it.
    """
    if precision is Precision.BF16 and "BF16" not in capabilities:
        others = "fp32 or int8-cpu" if unit == CPU else "fp16 or fp32"
        raise CdulEdgeError(
            f"bf16 was asked for, and {DeviceChoice('openvino', unit=unit)} ({full_name}) does not "
            f"compute in it: give precision {others}"
        )


def describe_unit(core: Machine, unit: str) -> tuple[str, list[str]]:
    """Its full name, and what it can do, such as "BF16" and "EXPORT_IMPORT"."""
    name = str(core.get_property(unit, "FULL_DEVICE_NAME"))
    found = core.get_property(unit, _CAPABILITIES)
    able = list(map(str, found)) if isinstance(found, list) else []
    return name, [one for one in able if one != "BF16"] if _without_bf16(unit) else able


def _without_bf16(unit: str) -> bool:
    """Whether oneDNN, with which OpenVINO computes, is told not to use what bf16 needs.

    OpenVINO 2026.4.1 offers bf16 all the same, and gives wrong scores or crashes.
    """
    told = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "ALL"
    return unit == CPU and not any(name in told.upper() for name in _ISA_WITH_BF16)


def cpu_computes_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this processor.

    Raises:
        MissingExtraError, CdulEdgeError: as `import_openvino`.
    """
    return "BF16" in describe_unit(new_core(), CPU)[1]


def properties_for(unit: str, precision: Precision, threads: CpuThreads) -> Properties:
    """What a device is asked for.

    FP32 means FP32: left alone, a CPU with bf16 and every GPU would compute in fewer bits.
    Source: docs.openvino.ai, "Precision Control" and "High-level Performance Hints".
    """
    computed = _computed_in(unit, precision)
    properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": computed}
    if computed == "f32":
        properties["EXECUTION_MODE_HINT"] = "ACCURACY"
    if unit == CPU:
        # Two processes that each pin one thread pin it to the same core, and take twice as long.
        properties["ENABLE_CPU_PINNING"] = "NO"
        if threads.between > 1:
            properties["NUM_STREAMS"] = str(threads.between)
        if threads.within is not None:
            properties["INFERENCE_NUM_THREADS"] = str(threads.within * threads.between)
    return properties


def most_pictures(unit: str) -> int | None:
    """Most pictures that it takes at once: an NPU wants to know, when it compiles."""
    return 1 if unit.startswith("NPU") else None


def _computed_in(unit: str, precision: Precision) -> str:
    if precision is Precision.BF16:
        return "bf16"
    if unit != CPU and precision is Precision.FP16:
        return "f16"
    # an NPU has no f32 for what a file leaves in floating point
    return "f16" if unit.startswith("NPU") and precision in INT8 else "f32"


def _missing_library(core: Machine, kind: str) -> str:
    try:
        core.get_property(kind, "FULL_DEVICE_NAME")
    except RuntimeError as error:
        if found := _LOADER.search(str(error)):
            return f" ({found.group()})"
    return ""
