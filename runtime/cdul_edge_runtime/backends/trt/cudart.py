"""The CUDA runtime through ctypes: what running an engine needs, and nothing to install for it.

Every function used is in libcudart 11.x, 12.x and 13.x with one signature. Addresses and handles
are plain integers. CUDA keeps a current device for every thread, on which memory, streams and
graphs are made: callers enter `current` before they make or use any.
Source: CUDA Runtime API reference, docs.nvidia.com/cuda/cuda-runtime-api.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cdul_edge_runtime.backends.trt.cuda_library import load_cuda_library
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError

_OUT_OF_MEMORY, _OLD_DRIVER, _NO_DEVICE = 2, 35, 100  # cudaError_t
_TO_DEVICE, _TO_HOST = 1, 2  # cudaMemcpyKind
_NON_BLOCKING = 1  # cudaStreamNonBlocking: independent of the default stream
_THREAD_LOCAL = 1  # cudaStreamCaptureModeThreadLocal: other threads may go on calling CUDA
_MULTIPROCESSORS, _CAPABILITY_MAJOR, _CAPABILITY_MINOR = 16, 75, 76  # cudaDeviceAttr
_PROPERTIES_BYTES = 1 << 14  # cudaDeviceProp is about 1 KiB; it grows from version to version
_NAME_BYTES = 256  # its first field, in every version
_MIB = 1 << 20

_OUT = ctypes.POINTER(ctypes.c_void_p)
_OUT_INT = ctypes.POINTER(ctypes.c_int)
_OUT_SIZE = ctypes.POINTER(ctypes.c_size_t)
_HANDLE, _SIZE, _INT, _UINT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint
# Without these, ctypes would cut addresses to 32 bits.
_SIGNATURES: dict[str, list[Any]] = {
    "cudaRuntimeGetVersion": [_OUT_INT],
    "cudaDriverGetVersion": [_OUT_INT],
    "cudaGetDeviceCount": [_OUT_INT],
    "cudaGetDevice": [_OUT_INT],
    "cudaSetDevice": [_INT],
    "cudaDeviceGetAttribute": [_OUT_INT, _INT, _INT],
    "cudaGetDeviceProperties": [_HANDLE, _INT],
    "cudaMemGetInfo": [_OUT_SIZE, _OUT_SIZE],
    "cudaMalloc": [_OUT, _SIZE],
    "cudaFree": [_HANDLE],
    "cudaHostAlloc": [_OUT, _SIZE, _UINT],
    "cudaFreeHost": [_HANDLE],
    "cudaMemcpyAsync": [_HANDLE, _HANDLE, _SIZE, _INT, _HANDLE],
    "cudaStreamCreateWithFlags": [_OUT, _UINT],
    "cudaStreamSynchronize": [_HANDLE],
    "cudaStreamDestroy": [_HANDLE],
    "cudaStreamBeginCapture": [_HANDLE, _INT],
    "cudaStreamEndCapture": [_HANDLE, _OUT],
    # plain cudaGraphInstantiate changed its signature in 12.0
    "cudaGraphInstantiateWithFlags": [_OUT, _HANDLE, ctypes.c_ulonglong],
    "cudaGraphLaunch": [_HANDLE, _HANDLE],
    "cudaGraphDestroy": [_HANDLE],
    "cudaGraphExecDestroy": [_HANDLE],
}


class CudaRuntime:
    """One loaded libcudart; every failed call is a `CdulEdgeError` that says how to fix it.

    Attributes:
        gpu: number of the GPU, from 0, among those that CUDA_VISIBLE_DEVICES shows.
    """

    def __init__(self, library: Any = None, gpu: int = 0) -> None:
        """Load the library and make sure that a driver and the device answer.

        Args:
            library: a loaded libcudart; by default the one that this process has already (as
                TensorRT loads it), then those of the system, then those of NVIDIA's wheels.
            gpu: which of several GPUs.

        Raises:
            CdulEdgeError: no libcudart, no driver, one that is too old, or no such device.
        """
        self._library = library if library is not None else load_cuda_library()
        self.gpu = gpu
        self._declare()
        count = self._integer("cudaGetDeviceCount")
        if count < 1:
            raise CdulEdgeError(_explain_no_device("no device"))
        if not 0 <= gpu < count:
            there = "one GPU, number 0" if count == 1 else f"{count} GPUs, numbers 0 to {count - 1}"
            raise CdulEdgeError(
                f"there is no GPU {gpu}: CUDA shows {there}: see `nvidia-smi -L` and "
                "CUDA_VISIBLE_DEVICES"
            )

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make this GPU the calling thread's own for the block, and give back what it had.

        Where the thread has another, CUDA 12 and later start a context on that one too when it is
        given back. Source: `cudaSetDevice` in the CUDA Runtime API reference.

        Raises:
            CdulEdgeError: the GPU cannot be chosen.
        """
        before = self._integer("cudaGetDevice")
        if before == self.gpu:
            yield
            return
        self._call("cudaSetDevice", self.gpu)
        try:
            yield
        finally:
            with suppress(CdulEdgeError):  # it may be full or in another's exclusive use
                self._call("cudaSetDevice", before)

    @property
    def version(self) -> str:
        """Of the runtime library, such as "12.6"."""
        return _version(self._integer("cudaRuntimeGetVersion"))

    def device_name(self) -> str:
        """Such as "Orin" or "NVIDIA GeForce RTX 4090"."""
        # the name comes first in every layout of the structure, so that the rest need not be known
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        self._call("cudaGetDeviceProperties", properties, self.gpu)
        return properties.raw[:_NAME_BYTES].partition(b"\0")[0].decode(errors="replace")

    def compute_capability(self) -> str:
        """Such as "8.7"."""
        return self._capability(self.gpu)

    def compute_capabilities(self) -> tuple[str, ...]:
        """Of every GPU, in their order."""
        count = self._integer("cudaGetDeviceCount")
        return tuple(self._capability(gpu) for gpu in range(count))

    def multiprocessors(self) -> int:
        """How many there are: what the modules that share a name differ in, such as all Orin."""
        return self._attribute(_MULTIPROCESSORS, self.gpu)

    def memory_mib(self) -> tuple[float, float]:
        """(free, total) memory of the device, in MiB; a Jetson shares it with the host."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        with self.current():
            self._call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
        return free.value / _MIB, total.value / _MIB

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the device."""
        return self._allocated(size, "device", "cudaMalloc", size)

    def free(self, address: int) -> None:
        """Give back what `allocate` gave."""
        self._call("cudaFree", address)

    def allocate_host(self, size: int) -> int:
        """Address of `size` page-locked bytes on the host: copies from it need no second copy."""
        return self._allocated(size, "page-locked host", "cudaHostAlloc", size, 0)

    def free_host(self, address: int) -> None:
        """Give back what `allocate_host` gave."""
        self._call("cudaFreeHost", address)

    def copy_to_device(self, device: int, host: int, size: int, stream: int) -> None:
        """Queue a copy of `size` bytes; the host's must be page-locked and stay as they are."""
        self._call("cudaMemcpyAsync", device, host, size, _TO_DEVICE, stream)

    def copy_to_host(self, host: int, device: int, size: int, stream: int) -> None:
        """Queue a copy of `size` bytes; they are there after `synchronize`."""
        self._call("cudaMemcpyAsync", host, device, size, _TO_HOST, stream)

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""
        return self._handle("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def synchronize(self, stream: int) -> None:
        """Wait for all that was queued; errors of it are raised here."""
        self._call("cudaStreamSynchronize", stream)

    def destroy_stream(self, stream: int) -> None:
        """Give a stream back."""
        self._call("cudaStreamDestroy", stream)

    def begin_capture(self, stream: int) -> None:
        """From here on, what is queued is recorded and not run."""
        self._call("cudaStreamBeginCapture", stream, _THREAD_LOCAL)

    def end_capture(self, stream: int) -> int:
        """The recorded graph. The stream leaves the capture even when this raises."""
        graph = ctypes.c_void_p()
        self._call("cudaStreamEndCapture", stream, ctypes.byref(graph))
        return graph.value or 0

    def instantiate(self, graph: int) -> int:
        """Make a recorded graph runnable; the record itself is to be destroyed all the same."""
        return self._handle("cudaGraphInstantiateWithFlags", graph, 0)

    def destroy_graph(self, graph: int) -> None:
        """Give a recorded graph back."""
        self._call("cudaGraphDestroy", graph)

    def launch(self, runnable: int, stream: int) -> None:
        """Queue a runnable graph."""
        self._call("cudaGraphLaunch", runnable, stream)

    def destroy_runnable(self, runnable: int) -> None:
        """Give a runnable graph back."""
        self._call("cudaGraphExecDestroy", runnable)

    def _declare(self) -> None:
        try:
            for name, arguments in _SIGNATURES.items():
                function = getattr(self._library, name)
                function.argtypes, function.restype = arguments, ctypes.c_int
        except AttributeError as error:
            raise CdulEdgeError(
                f"the CUDA runtime is too old ({error}): CUDA 11.4 or later is needed"
            ) from error
        self._library.cudaGetErrorString.restype = ctypes.c_char_p

    def _integer(self, name: str, *arguments: int) -> int:
        value = ctypes.c_int()
        self._call(name, ctypes.byref(value), *arguments)
        return value.value

    def _capability(self, gpu: int) -> str:
        major = self._attribute(_CAPABILITY_MAJOR, gpu)
        return f"{major}.{self._attribute(_CAPABILITY_MINOR, gpu)}"

    def _attribute(self, attribute: int, gpu: int) -> int:
        return self._integer("cudaDeviceGetAttribute", attribute, gpu)

    def _handle(self, name: str, *arguments: int) -> int:
        value = ctypes.c_void_p()
        self._call(name, ctypes.byref(value), *arguments)
        return value.value or 0

    def _allocated(self, size: int, kind: str, name: str, *arguments: int) -> int:
        value = ctypes.c_void_p()
        code = self._try(name, ctypes.byref(value), *arguments)
        if code == _OUT_OF_MEMORY:
            free, total = self.memory_mib()
            raise DeviceError(
                f"out of {kind} memory: asked for {size / _MIB:.1f} MiB, {free:.0f} MiB of "
                f"{total:.0f} MiB are free on the GPU: end other programs, or build with a "
                "smaller --batch-max"
            )
        self._check(name, code)
        return value.value or 0

    def _call(self, name: str, *arguments: Any) -> None:
        self._check(name, self._try(name, *arguments))

    def _try(self, name: str, *arguments: Any) -> int:
        code = int(getattr(self._library, name)(*arguments))
        if code:
            # CUDA keeps the last error, and TensorRT would trip over it in its next call
            self._library.cudaGetLastError()
        return code

    def _check(self, name: str, code: int) -> None:
        if not code:
            return
        reason = self._library.cudaGetErrorString(code)
        text = f"{name} failed with error {code} ({(reason or b'unknown').decode()})"
        if code == _OLD_DRIVER:
            raise CdulEdgeError(self._explain_driver(text))
        if code == _NO_DEVICE or name == "cudaGetDeviceCount":  # whatever keeps it from answering
            raise CdulEdgeError(_explain_no_device(text))
        raise DeviceError(f"the GPU gave up: {text}: run again; see `dmesg` if it stays")

    def _explain_driver(self, text: str) -> str:
        version = ctypes.c_int()
        self._try("cudaDriverGetVersion", ctypes.byref(version))
        if version.value == 0:
            return (
                f"no NVIDIA driver answers: {text}: install it (`nvidia-smi` must work), or start "
                "the container with --gpus all, on a Jetson with --runtime nvidia"
            )
        return (
            f"the NVIDIA driver is too old for this CUDA runtime: it knows CUDA "
            f"{_version(version.value)}: {text}: update the driver, or install TensorRT for CUDA "
            f"{version.value // 1000}"
        )


def _explain_no_device(text: str) -> str:
    return (
        f"the NVIDIA driver shows no GPU ({text}): check `nvidia-smi`, CUDA_VISIBLE_DEVICES, and "
        "the container's --gpus all"
    )


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
