"""ONNX Runtime's execution providers, and what each is asked for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    redirect_stdout,
    suppress,
)
from pathlib import Path

from cdul_edge_runtime.backends.ort.library import explain_missing_provider, import_onnxruntime
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.errors import CdulEdgeError

PROVIDERS: dict[Device, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "ort-tensorrt": "TensorrtExecutionProvider",
}

Providers = list[tuple[str, dict[str, str]]]


def check_listed(device: Device) -> None:
    """Refuse a device that this build of ONNX Runtime does not know.

    A provider that is listed may still miss its libraries; that shows in `explain_fallback`.

    Raises:
        CdulEdgeError: it is not listed.
    """
    onnxruntime = import_onnxruntime()
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise CdulEdgeError(explain_missing_provider(device, onnxruntime))


def cpu_providers() -> Providers:
    """The CPU alone."""
    return [(PROVIDERS["cpu"], {})]


def cuda_providers(gpu: int = 0) -> Providers:
    """CUDA; ONNX Runtime itself adds the CPU for operators that CUDA does not have.

    Args:
        gpu: its number among those that CUDA_VISIBLE_DEVICES shows.
    """
    # FP32 shall mean FP32: TF32 keeps 10 bits of the mantissa, and no longer repeats PyTorch's
    # scores.
    return [(PROVIDERS["cuda"], {"device_id": str(gpu), "use_tf32": "0"})]


def tensorrt_providers(
    precision: Precision,
    cache_dir: Path,
    size: tuple[int, int],
    profile: Profile,
    gpu: int = 0,
) -> Providers:
    """TensorRT with an engine cache; operators that it refuses go to CUDA.

    Args:
        precision: of the ONNX file; FP16 and INT8 must be allowed here as well.
        cache_dir: folder for engines and timing cache, of this model file alone: the provider's
            cache does not notice other weights in the same graph.
        size: (height, width) px.
        profile: the batch sizes that the engine takes.
        gpu: its number among those that CUDA_VISIBLE_DEVICES shows.
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
    """Load what is in NVIDIA's Python packages, and keep the library's log quiet.

    What it would print about libraries that are missing stands in `explain_fallback`.
    """
    if device == "cpu":
        yield
        return
    onnxruntime = import_onnxruntime()
    if hasattr(onnxruntime, "preload_dlls"):  # 1.21
        with redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()  # CUDA and cuDNN
    if device == "ort-tensorrt":
        from cdul_edge_runtime.backends.trt.library import import_tensorrt

        with suppress(CdulEdgeError):  # a TensorRT of the system's needs no package
            import_tensorrt()  # its libraries are in a folder where the loader does not look
    onnxruntime.set_default_logger_severity(4)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(2)  # its own default: warnings


def gpu_of_threads(device: Device, gpu: int = 0) -> Callable[[], AbstractContextManager[None]]:
    """Gives the block in which a thread is at that GPU, and after which it is where it was before.

    ONNX Runtime makes its GPU the current one of every thread that calls it, and leaves it so.
    Source: `CUDAExecutionProvider::OnRunStart`.
    """
    if device == "cpu":
        return nullcontext
    from cdul_edge_runtime.backends.trt.cudart import CudaRuntime

    try:
        return CudaRuntime(gpu=gpu).current
    except CdulEdgeError:  # the session will say what is missing
        return nullcontext


def free_memory_mib(device: Device, gpu: int = 0) -> float | None:
    """Free memory of that GPU; None on the CPU, or where there is no libcudart to ask."""
    if device == "cpu":
        return None
    from cdul_edge_runtime.backends.trt.cudart import CudaRuntime

    with suppress(CdulEdgeError):
        return CudaRuntime(gpu=gpu).memory_mib()[0]
    return None
