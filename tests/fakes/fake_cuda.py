"""libcudart in memory: device memory is host memory, and a stream runs when it is waited for.

It speaks the C interface, so that cudart.py runs as it is, and it fails the test on what CUDA does
not forgive: a wrong or second free, a copy outside an allocation, a handle that is gone. It is
stricter than CUDA about GPUs: whatever is made on one is used and given back while the calling
thread's current device is that one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import local
from typing import Any

MIB = 1 << 20
OUT_OF_MEMORY, OLD_DRIVER, NO_DEVICE, INVALID_DEVICE, CAPTURE_UNSUPPORTED = 2, 35, 100, 101, 900
Work = Callable[[], None]


@dataclass
class Stream:
    """What is queued, and what is being recorded (None outside a capture)."""

    gpu: int
    queued: list[Work] = field(default_factory=list)
    recorded: list[Work] | None = None

    def add(self, work: Work) -> None:
        (self.queued if self.recorded is None else self.recorded).append(work)


class Function:
    """A C function: takes `argtypes` and `restype` as ctypes' own do, and notes each call."""

    def __init__(self, name: str, cuda: FakeLibcudart) -> None:
        self.name, self.cuda = name, cuda
        self.argtypes: Any = None
        self.restype: Any = None

    def __call__(self, *arguments: Any) -> Any:
        if self.name not in ("cudaGetLastError", "cudaGetErrorString"):
            assert self.argtypes is not None, f"{self.name} has no signature"
            assert len(arguments) == len(self.argtypes), self.name
        self.cuda.calls.append(self.name)
        planned = self.cuda.failures.get(self.name)
        code = planned.pop(0) if planned else 0
        if code:
            if self.name == "cudaStreamEndCapture":
                self.cuda.streams[arguments[0]].recorded = None
            return code
        return getattr(self.cuda, f"_{self.name}")(*arguments) or 0


class FakeLibcudart:
    """One GPU with `memory_mib` of memory, or several, of which each may be another.

    Attributes:
        gpus: name and capability of each; none where the driver shows none.
        memory: address -> (kind, its GPU, the bytes).
        calls: names of the functions called, in order.
        events: what happened to memory and handles, in order; the fake TensorRT adds its own.
        failures: error codes that the next calls of a function return; 0 lets one through.
    """

    def __init__(
        self,
        gpu: str = "Orin",
        capability: tuple[int, int] = (8, 7),
        *,
        multiprocessors: int = 16,
        memory_mib: int = 64,
        driver: int = 12060,
        devices: int = 1,
        others: tuple[tuple[str, tuple[int, int]], ...] = (),
    ) -> None:
        self.gpus, self.driver = [*devices * [(gpu, capability)], *others], driver
        self.multiprocessors, self.memory_mib = multiprocessors, memory_mib
        self.calls: list[str] = []
        self.events: list[str] = []
        self.failures: dict[str, list[int]] = {}
        self.memory: dict[int, tuple[str, int, Any]] = {}
        self.streams: dict[int, Stream] = {}
        self.graphs: dict[int, list[Work]] = {}
        self.runnables: dict[int, list[Work]] = {}
        self._next = 1000
        self._thread = local()

    @property
    def current(self) -> int:
        """The calling thread's device: the first, until it chooses another."""
        return getattr(self._thread, "gpu", 0)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cuda"):
            raise AttributeError(name)
        function = Function(name, self)
        setattr(self, name, function)
        return function

    def left(self) -> list[str]:
        """What was not given back."""
        kinds = [kind for kind, _, _ in self.memory.values()]
        handles = len(self.streams) * ["stream"] + len(self.graphs) * ["graph"]
        return kinds + handles + len(self.runnables) * ["runnable"]

    def stream(self, handle: int) -> Stream:
        assert handle in self.streams, "a stream that is not there"
        self.check_current(self.streams[handle].gpu)
        return self.streams[handle]

    def check_current(self, gpu: int) -> None:
        """Fail unless the calling thread's device is that GPU."""
        assert gpu == self.current, f"of GPU {gpu}, and the thread is at GPU {self.current}"

    def note_release(self, what: str, gpu: int) -> None:
        """Note the end of one of TensorRT's objects, and the device where it is a wrong one."""
        self.events.append(what if gpu == self.current else f"{what} at GPU {self.current}")

    def check_inside(self, address: int, size: int, kind: str) -> None:
        """Fail unless `size` bytes at `address` lie in one living allocation of that kind."""
        here = [
            (start, start + len(block))
            for start, (held, gpu, block) in self.memory.items()
            if (held, gpu) == (kind, self.current)
        ]
        assert any(start <= address and address + size <= end for start, end in here), (
            f"{size} bytes at {address} are not in {kind} memory of GPU {self.current}"
        )

    def _handle(self, table: dict[int, Any], value: Any, pointer: Any) -> None:
        self._next += 1
        table[self._next] = value
        pointer._obj.value = self._next

    def _cudaGetDeviceCount(self, pointer: Any) -> int:
        if self.driver == 0:
            return OLD_DRIVER
        pointer._obj.value = len(self.gpus)
        return 0 if self.gpus else NO_DEVICE

    def _cudaGetDevice(self, pointer: Any) -> None:
        pointer._obj.value = self.current

    def _cudaSetDevice(self, gpu: int) -> int:
        if not 0 <= gpu < len(self.gpus):
            return INVALID_DEVICE
        self._thread.gpu = gpu
        return 0

    def _cudaGetErrorString(self, code: int) -> bytes:
        return {2: b"out of memory", 35: b"CUDA driver version is insufficient"}.get(code, b"?")

    def _cudaGetLastError(self) -> None:
        self.events.append("error cleared")

    def _cudaRuntimeGetVersion(self, pointer: Any) -> None:
        pointer._obj.value = 12060

    def _cudaDriverGetVersion(self, pointer: Any) -> None:
        pointer._obj.value = self.driver

    def _cudaDeviceGetAttribute(self, pointer: Any, attribute: int, device: int) -> None:
        major, minor = self.gpus[device][1]
        pointer._obj.value = {16: self.multiprocessors, 75: major, 76: minor}[attribute]

    def _cudaGetDeviceProperties(self, buffer: Any, device: int) -> None:
        name = self.gpus[device][0].encode() + b"\0"
        buffer[: len(name)] = name

    def _used(self) -> int:
        here = ("device", self.current)
        return sum(len(block) for *held, block in self.memory.values() if tuple(held) == here)

    def _cudaMemGetInfo(self, free: Any, total: Any) -> None:
        total._obj.value = self.memory_mib * MIB
        free._obj.value = self.memory_mib * MIB - self._used()

    def _allocate(self, kind: str, pointer: Any, size: int) -> int:
        assert size > 0
        if self._used() + size > self.memory_mib * MIB:
            return OUT_OF_MEMORY
        block = (ctypes.c_ubyte * size)()
        address = ctypes.addressof(block)
        self.memory[address] = (kind, self.current, block)
        pointer._obj.value = address
        return 0

    def _free(self, kind: str, address: int) -> None:
        held, gpu, _ = self.memory.get(address, ("no", 0, None))
        assert held == kind, f"{address} is {held} and not {kind} memory"
        self.check_current(gpu)
        assert not any(stream.queued for stream in self.streams.values()), "freed while in use"
        del self.memory[address]
        self.events.append(f"{kind} memory freed")

    def _cudaMalloc(self, pointer: Any, size: int) -> int:
        return self._allocate("device", pointer, size)

    def _cudaHostAlloc(self, pointer: Any, size: int, flags: int) -> int:
        assert flags == 0
        return self._allocate("host", pointer, size)

    def _cudaFree(self, address: int) -> None:
        self._free("device", address)

    def _cudaFreeHost(self, address: int) -> None:
        self._free("host", address)

    def _cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, handle: int) -> None:
        there, here = {1: ("device", "host"), 2: ("host", "device")}[kind]

        def copy() -> None:
            self.check_inside(to, size, there)
            self.check_inside(source, size, here)
            ctypes.memmove(to, source, size)

        self.check_inside(to, size, there)
        self.check_inside(source, size, here)
        self.stream(handle).add(copy)

    def _cudaStreamCreateWithFlags(self, pointer: Any, flags: int) -> None:
        assert flags == 1, "the stream would wait for the default stream"
        self._handle(self.streams, Stream(self.current), pointer)

    def _cudaStreamSynchronize(self, handle: int) -> int:
        stream = self.stream(handle)
        if stream.recorded is not None:
            return CAPTURE_UNSUPPORTED
        while stream.queued:
            stream.queued.pop(0)()
        return 0

    def _cudaStreamDestroy(self, handle: int) -> None:
        assert not self.stream(handle).queued, "a stream destroyed while it runs"
        del self.streams[handle]
        self.events.append("stream destroyed")

    def _cudaStreamBeginCapture(self, handle: int, mode: int) -> None:
        assert mode == 1
        stream = self.stream(handle)
        assert stream.recorded is None
        assert not stream.queued
        stream.recorded = []

    def _cudaStreamEndCapture(self, handle: int, pointer: Any) -> None:
        stream = self.stream(handle)
        assert stream.recorded is not None, "no capture to end"
        work, stream.recorded = stream.recorded, None
        self._handle(self.graphs, work, pointer)

    def _cudaGraphInstantiateWithFlags(self, pointer: Any, graph: int, flags: int) -> None:
        assert flags == 0
        self._handle(self.runnables, list(self.graphs[graph]), pointer)

    def _cudaGraphDestroy(self, graph: int) -> None:
        del self.graphs[graph]

    def _cudaGraphLaunch(self, runnable: int, handle: int) -> None:
        for work in self.runnables[runnable]:
            self.stream(handle).add(work)

    def _cudaGraphExecDestroy(self, runnable: int) -> None:
        del self.runnables[runnable]
        self.events.append("runnable destroyed")
