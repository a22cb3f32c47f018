"""Why a provider of ONNX Runtime does not start: one line each."""

from __future__ import annotations

import ctypes
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError
from cdul_edge_runtime.host.machine import nvidia_driver_there
from cdul_edge_runtime.host.memory_errors import tells_of_memory

_CUDA = 'CUDA and cuDNN that it was built for (pip install "onnxruntime-gpu[cuda,cudnn]")'
_NEEDS = {
    "cuda": f"install the {_CUDA}, and the GPU's driver",
    "ort-tensorrt": (
        f"install the TensorRT that it was built for (the one on PyPI: TensorRT 10), the {_CUDA}, "
        "and the GPU's driver"
    ),
}
NEEDS_DRIVER = (
    "install the GPU's driver (`nvidia-smi` must work), or start the container with --gpus all"
)
_LISTED = "give the number of a GPU that `nvidia-smi` lists"
# What CUDA says through ONNX Runtime, among C++ names and paths, and what to do about it.
_SAYINGS = (
    (r"Invalid device ID: [^.]*", _LISTED),
    (r"Invalid device id\. [^)]*\)", _LISTED),
    (r"CUDA failure 101: [^;]*", _LISTED),
    (
        r"CUDA failure 35: [^;]*",
        "update the GPU's driver, or install an onnxruntime-gpu for the CUDA that `nvidia-smi` "
        "names",
    ),
    (
        r"CUDA failure 100: [^;]*",
        "check `nvidia-smi`, CUDA_VISIBLE_DEVICES, and the container's --gpus all",
    ),
)
# What each provider's library is called, to ask the system's loader what it misses.
_LIBRARIES = {"cuda": "providers_cuda", "ort-tensorrt": "providers_tensorrt"}
_DOCTOR = "`cdul-edge doctor` shows what is here"


def explain_fallback(device: Device, running: str) -> CdulEdgeError:
    """The error for a provider that did not start while another took its place without a word."""
    found, fix = _cause(device)
    reason = f" ({found})" if found else ""
    return CdulEdgeError(
        f"{device} was asked for, and ONNX Runtime {_version()} runs on {running} "
        f"instead{reason}: {fix}; {_DOCTOR}"
    )


def explain_no_start(device: Device, model: Path, error: Exception) -> CdulEdgeError:
    """The error for a provider that said itself why it does not start with this model."""
    said = " ".join(str(error).split())
    if tells_of_memory(said):
        return DeviceError(f"{device} has not enough memory for {model} ({said[:500]})")
    found, fix = _cause(device, said)
    if found:  # the machine's fault: the same for every model, so that lists name it once
        return CdulEdgeError(
            f"{device} was asked for, and ONNX Runtime {_version()} cannot start it "
            f"({found}): {fix}; {_DOCTOR}"
        )
    return CdulEdgeError(f"{device} cannot start with {model} ({said[:500]}): {_DOCTOR}")


def session_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a model or a provider that it cannot start."""
    state = _pybind_state()
    names = "Fail InvalidArgument InvalidGraph InvalidProtobuf NoSuchFile NotImplemented NoModel"
    found = (getattr(state, name) for name in f"{names} RuntimeException EPFail".split())
    return (*found, RuntimeError, ValueError)


def run_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a run that the device did not finish."""
    state = _pybind_state()
    names = "Fail InvalidArgument RuntimeException EPFail"
    return (*(getattr(state, name) for name in names.split()), RuntimeError, MemoryError)


def _cause(device: Device, said: str = "") -> tuple[str | None, str]:
    """What this machine lacks for the device, None if nothing is seen, and what to do."""
    if not nvidia_driver_there():
        return "no NVIDIA driver here", NEEDS_DRIVER
    for pattern, fix in _SAYINGS:
        if match := re.search(pattern, said):
            return match.group().strip(), fix
    return missing_library(device), _NEEDS[device]


def missing_library(device: Device) -> str | None:
    """What the system's loader says of the provider; only after ONNX Runtime itself has tried."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    for library in sorted(folder.glob(f"*{_LIBRARIES[device]}.*")):
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return str(error)
    return None


def _version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)


def _pybind_state() -> ModuleType:
    return import_module("onnxruntime.capi.onnxruntime_pybind11_state")
