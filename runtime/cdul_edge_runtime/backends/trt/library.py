"""TensorRT itself: importing it, hearing what it says, and naming the platform it runs on."""

from __future__ import annotations

import platform
import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal, Protocol, cast, overload

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.platform import GpuPlatform, library_name, version_numbers
from cdul_edge_runtime.choices import Flavor
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError, MissingExtraError
from cdul_edge_runtime.host.shared_library import truncated_library

OLDEST = (8, 6)  # the first with everything in tensorrt_api; JetPack 5 has 8.5
OLDEST_RTX = (1, 7)  # 1.4 to 1.6 build no INT8 convolutions
# The names that each is imported by; the second of TensorRT's runs engines, and builds none.
MODULES: Mapping[Flavor, tuple[str, ...]] = {
    "tensorrt": ("tensorrt", "tensorrt_lean"),
    "rtx": ("tensorrt_rtx",),
}
_MISSING: dict[Flavor, str] = {
    "tensorrt": "TensorRT is not installed: on a Jetson `sudo apt install python3-libnvinfer` and "
    'a venv made with --system-site-packages; on x86 pip install "cdul-edge[trt]"',
    "rtx": 'TensorRT for RTX is not installed: pip install "cdul-edge[rtx]"',
}
_KEPT_LINES = 10_000  # a backend may live for years, and TensorRT may repeat itself
_SEVERITIES = ("internal error", "error", "warning", "info", "verbose")
_ERROR, _INFO = 1, 3
_LAYERS = "Layers:\n"  # where ProfilingVerbosity.DETAILED was asked for
# Said after other errors where there is no driver or no GPU, and by builds that need none; any
# other error of CUDA's is what people must read.
_NO_DRIVER = re.compile(
    r"\[checkMacros\.cpp\S*catchCudaError.*?(?:driver version is insuff|no CUDA-capable dev).*",
    re.DOTALL,
)
_PLACE = r"In \w+(?:\(\))? at /_src/[\w/.]+:\d+"
_SOURCE = re.compile(rf"\[\w+\.(?:cpp|h):(?:\d+: \w+|:\w+::\d+)\] |(?<=\(){_PLACE} | {_PLACE}")
# TensorRT keeps a bare pointer to the first logger that it is given for as long as the process
# lives, and to the others for as long as what was made with them: none may ever go.
_LOGGERS: list[Any] = []


class LeanTensorRT(Protocol):
    """The module `tensorrt_lean`, and what the others share with it."""

    __name__: str
    __version__: str
    ILogger: api.ILogger
    TensorIOMode: api.TensorIOMode
    DataType: api.DataType

    def Runtime(self, logger: api.ILogger) -> api.Runtime: ...  # noqa: N802, RUF100


class TensorRT(LeanTensorRT, Protocol):
    """The module `tensorrt`, and what `tensorrt_rtx` shares with it."""

    BuilderFlag: api.BuilderFlag
    NetworkDefinitionCreationFlag: api.NetworkDefinitionCreationFlag
    MemoryPoolType: api.MemoryPoolType
    HardwareCompatibilityLevel: api.HardwareCompatibilityLevel
    ProfilingVerbosity: api.ProfilingVerbosity

    def Builder(self, logger: api.ILogger) -> api.Builder: ...  # noqa: N802, RUF100
    def OnnxParser(  # noqa: N802, RUF100
        self, network: api.INetworkDefinition, logger: api.ILogger
    ) -> api.OnnxParser: ...


class RtxTensorRT(TensorRT, Protocol):
    """The module `tensorrt_rtx`."""

    ComputeCapability: api.RtxComputeCapability
    CudaGraphStrategy: api.RtxCudaGraphStrategy
    DynamicShapesKernelSpecializationStrategy: api.RtxDynamicShapesKernelSpecializationStrategy


class Messages(api.ILogger, Protocol):
    """A logger that TensorRT takes, and what it heard.

    Attributes:
        lines: (severity, text), the oldest first. Of the verbose ones, only what lists an engine's
            layers, with the types that they read and write.
    """

    lines: deque[tuple[int, str]]


@overload
def import_tensorrt(flavor: Literal["rtx"]) -> RtxTensorRT: ...
@overload
def import_tensorrt(flavor: Flavor = ...) -> TensorRT: ...
@overload
def import_tensorrt(flavor: Flavor = ..., *, lean: bool) -> LeanTensorRT: ...
def import_tensorrt(flavor: Flavor = "tensorrt", *, lean: bool = False) -> LeanTensorRT:
    """Import TensorRT, or TensorRT for RTX.

    Args:
        flavor: which of the two; neither runs the other's engines.
        lean: `tensorrt_lean` will do where `tensorrt` is not installed: it builds nothing, and
            runs version-compatible engines only. TensorRT for RTX has no such part.

    Raises:
        MissingExtraError: it is not installed; the message says how, on a Jetson and elsewhere.
        CdulEdgeError: it is installed but does not load, or it is too old.
    """
    names = MODULES[flavor]
    for name in names if lean else names[:1]:
        if (path := truncated_library(name)) is not None:
            raise CdulEdgeError(_explain_broken(name, f"{path} is truncated"))
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise CdulEdgeError(_explain_broken(name, error)) from error
            continue
        except (ImportError, OSError) as error:  # its shared libraries are missing
            raise CdulEdgeError(_explain_broken(name, error)) from error
        return _checked(module)
    raise MissingExtraError(_MISSING[flavor])


def flavor_of(trt: LeanTensorRT) -> Flavor:
    """Which of NVIDIA's two libraries a module is, by its own name."""
    return "rtx" if trt.__name__ == MODULES["rtx"][0] else "tensorrt"


def gpu_platform(trt: LeanTensorRT | None = None, cuda: CudaRuntime | None = None) -> GpuPlatform:
    """What an engine that is built or run here is bound to.

    Raises:
        CdulEdgeError: no TensorRT, or no GPU that answers.
    """
    trt = trt or import_tensorrt(lean=True)
    cuda = cuda or CudaRuntime()
    return GpuPlatform(
        tensorrt=trt.__version__,
        gpu=cuda.device_name(),
        compute_capability=cuda.compute_capability(),
        multiprocessors=cuda.multiprocessors(),
        system=platform.machine(),
        flavor=flavor_of(trt),
    )


def collect_messages(trt: LeanTensorRT) -> Messages:
    """A logger for TensorRT that keeps what it hears, from now to the end of the process."""
    base: Any = trt.ILogger

    class Collector(base):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            base.__init__(self)  # pybind11 wants its own, not super()'s, to have run
            self.lines: deque[tuple[int, str]] = deque(maxlen=_KEPT_LINES)

        def log(self, severity: Any, msg: str) -> None:
            if int(severity) <= _INFO or msg.startswith(_LAYERS):
                self.lines.append((int(severity), msg))

    collector = Collector()
    _LOGGERS.append(collector)
    return cast(Messages, collector)


@contextmanager
def starting(messages: Messages) -> Iterator[None]:
    """Say in one line that TensorRT gave no builder or runtime, as where memory is short.

    Raises:
        DeviceError: in place of pybind11's TypeError about a null pointer.
    """
    try:
        yield
    except TypeError as error:
        if "nullptr" not in str(error):
            raise
        raise DeviceError(
            f"TensorRT does not start on this GPU ({last_errors(messages)}): end other programs, "
            "and see that TensorRT fits the driver's CUDA (`nvidia-smi`)"
        ) from error


def log_text(messages: Messages) -> str:
    """Everything that was heard, one message a line, each with its severity."""
    return "".join(f"[{_SEVERITIES[severity]}] {text}\n" for severity, text in messages.lines)


def shorten(text: str) -> str:
    """What TensorRT says, in one line and without the places in its own sources."""
    return " ".join(_SOURCE.sub("", _NO_DRIVER.sub("", text)).split())


def last_errors(messages: Messages, count: int = 3) -> str:
    """The last errors that TensorRT told, in one line, for the end of an error message."""
    errors = [shorten(text) for severity, text in messages.lines if severity <= _ERROR]
    return "; ".join(list(filter(None, errors))[-count:]) or "TensorRT gave no reason"


def _checked(module: Any) -> TensorRT:
    if flavor_of(module) == "rtx":
        if version_numbers(module.__version__)[:2] < OLDEST_RTX:
            raise CdulEdgeError(
                f"{library_name('rtx')} {module.__version__} is older than 1.7: "
                'pip install --upgrade "cdul-edge[rtx]"'
            )
    elif version_numbers(module.__version__)[:2] < OLDEST:
        raise CdulEdgeError(
            f"TensorRT {module.__version__} is older than 8.6: use JetPack 6 or later, or on x86 "
            'pip install "cdul-edge[trt]"'
        )
    return cast(TensorRT, module)


def _explain_broken(name: str, reason: object) -> str:
    fix = "install it again, on a Jetson with apt, on x86 with pip"
    if name in MODULES["rtx"]:
        fix = "pip install --force-reinstall tensorrt-rtx-cu13"
    return (
        f"{name} is installed but does not load ({reason}): its libraries are missing, damaged, or "
        f"of another version; {fix}"
    )
