"""ONNX Runtime's execution providers: what each is asked for, and why one does not start."""

from __future__ import annotations

import ctypes
import io
import platform
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError

PROVIDERS: dict[Device, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "ort-tensorrt": "TensorrtExecutionProvider",
}
_NEEDS = {
    "cuda": "the CUDA and cuDNN that this onnxruntime-gpu was built for, and the GPU's driver",
    "ort-tensorrt": (
        "the TensorRT, CUDA and cuDNN that this onnxruntime-gpu was built for (the one on PyPI: "
        "TensorRT 10), and the GPU's driver"
    ),
}
# What each provider's library is called, to ask the system's loader what it misses.
_LIBRARIES = {"cuda": "providers_cuda", "ort-tensorrt": "providers_tensorrt"}
# FP32 shall mean FP32: TF32 keeps 10 bits of the mantissa, and no longer repeats PyTorch's scores.
_CUDA_OPTIONS = {"use_tf32": "0"}

Providers = list[tuple[str, dict[str, str]]]


def check_listed(device: Device) -> None:
    """Refuse a device that this build of ONNX Runtime does not know.

    A provider that is listed may still miss its libraries; that shows in `explain_fallback`.

    Raises:
        CdulEdgeError: it is not listed.
    """
    import onnxruntime

    listed = onnxruntime.get_available_providers()
    if PROVIDERS[device] not in listed:
        # The same for every device, so that a list of what is not here names it once; what each
        # needs besides, `explain_fallback` says.
        raise CdulEdgeError(
            f"{device} was asked for, and onnxruntime {onnxruntime.__version__} here has only "
            f"{', '.join(listed)}: {_how_to_get_one()}"
        )


def cpu_providers() -> Providers:
    """The CPU alone."""
    return [(PROVIDERS["cpu"], {})]


def check_gpu(gpu: int) -> None:
    """Refuse a number that no GPU has, in clearer words than ONNX Runtime's.

    Raises:
        CdulEdgeError: there is no such GPU, no driver that answers, or no CUDA runtime.
    """
    from cdul_edge_runtime.backends.trt.cudart import CudaRuntime

    CudaRuntime(gpu=gpu)


def cuda_providers(gpu: int = 0) -> Providers:
    """CUDA; ONNX Runtime itself adds the CPU for operators that CUDA does not have."""
    return [(PROVIDERS["cuda"], {**_CUDA_OPTIONS, "device_id": str(gpu)})]


def tensorrt_providers(
    precision: Precision, cache_dir: Path, size: tuple[int, int], profile: Profile, gpu: int = 0
) -> Providers:
    """TensorRT with an engine cache; operators that it refuses go to CUDA.

    Args:
        precision: of the ONNX file; FP16 and INT8 must be allowed here as well.
        cache_dir: folder for engines and timing cache, of this model file alone: the provider's
            cache does not notice other weights in the same graph.
        size: (height, width) px.
        profile: the batch sizes that the engine takes.
        gpu: which of several.
    """
    shape = "x".join(map(str, (*size, 3)))
    options = {
        "device_id": str(gpu),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(cache_dir),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(cache_dir),
        "trt_profile_min_shapes": f"images:{profile.min}x{shape}",
        "trt_profile_opt_shapes": f"images:{profile.best}x{shape}",
        "trt_profile_max_shapes": f"images:{profile.max}x{shape}",
    }
    if precision is Precision.FP16:
        options["trt_fp16_enable"] = "True"
    if precision is Precision.INT8:
        options["trt_int8_enable"] = "True"
    return [(PROVIDERS["ort-tensorrt"], options), *cuda_providers(gpu)]


@contextmanager
def ready_for_gpu(device: Device) -> Iterator[None]:
    """Load CUDA from NVIDIA's Python packages where they are, and keep the library's log quiet.

    What it would print about libraries that are missing stands in `explain_fallback`.
    """
    if device == "cpu":
        yield
        return
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):  # 1.21
        with redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    onnxruntime.set_default_logger_severity(4)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(2)  # its own default: warnings


def free_memory_mib(device: Device, gpu: int = 0) -> float | None:
    """Free memory of that GPU; None on the CPU, or where there is no libcudart to ask."""
    if device == "cpu":
        return None
    from cdul_edge_runtime.backends.trt.cudart import CudaRuntime

    try:
        return CudaRuntime(gpu=gpu).memory_mib()[0]
    except CdulEdgeError:
        return None


def explain_fallback(device: Device, running: str) -> CdulEdgeError:
    """The error for a provider that did not start while another took its place without a word."""
    import onnxruntime

    missing = _missing_library(device)
    reason = f" ({missing})" if missing else ""
    return CdulEdgeError(
        f"{device} was asked for, and ONNX Runtime {onnxruntime.__version__} runs on {running} "
        f"instead{reason}: install {_NEEDS[device]}; `cdul-edge doctor` shows what is here"
    )


def explain_failure(name: str, shape: tuple[int, ...], error: Exception) -> DeviceError:
    """One line for a run that the device did not finish."""
    said = " ".join(str(error).split())
    pictures = f"a batch of {shape[0]} pictures of {shape[1]}x{shape[2]} px"
    if isinstance(error, MemoryError) or wants_memory(said):
        return DeviceError(
            f"{name} has not enough memory for {pictures} ({said[:300]}): "
            "use a smaller batch, or end what else uses this device"
        )
    return DeviceError(f"{name} failed on {pictures} ({said[:300]})")


def wants_memory(said: str) -> bool:
    """Whether ONNX Runtime's words are those of too little memory."""
    signs = ("out of memory", "failed to allocate", "bad_alloc")
    return any(sign in said.lower() for sign in signs)


def session_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a model or a provider that it cannot start."""
    state = _pybind_state()
    names = "Fail InvalidArgument InvalidGraph InvalidProtobuf NoSuchFile NotImplemented NoModel"
    found = (getattr(state, name) for name in f"{names} RuntimeException EPFail".split())
    return (*found, RuntimeError, ValueError)


def run_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a run that the device did not finish."""
    state = _pybind_state()
    return (state.Fail, state.RuntimeException, state.EPFail, RuntimeError, MemoryError)


def _how_to_get_one() -> str:
    if platform.machine() in ("aarch64", "arm64"):
        return (
            "PyPI's onnxruntime-gpu does not fit JetPack 6, and has no TensorRT on this kind of "
            "machine: build engines with `cdul-edge build` and give --device tensorrt"
        )
    return (
        'pip uninstall onnxruntime, then pip install "cdul-edge[gpu]", which also needs CUDA, '
        "cuDNN and the GPU's driver"
    )


def _pybind_state() -> Any:
    from onnxruntime.capi import onnxruntime_pybind11_state

    return onnxruntime_pybind11_state


def _missing_library(device: Device) -> str | None:
    """What the system's loader says of the provider; only after ONNX Runtime itself has tried."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    for library in sorted(folder.glob(f"*{_LIBRARIES[device]}.*")):
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return str(error)
    return None
