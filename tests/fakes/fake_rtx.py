"""TensorRT for RTX as a fake, in what it has beside TensorRT when it runs an engine.

It compiles kernels: one for the engine when a context is made, and one for each batch size when
that first runs. It records its CUDA graphs itself. A cache is taken from the same version, GPU and
driver only. What the real library answers with a crash or with stale kernels fails the test.
"""

from __future__ import annotations

import json
import platform
import weakref
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp, StampedEngine
from cdul_edge_runtime.backends.trt.library import gpu_platform
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.bundle.bundle import ENGINES, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from tests.fakes.fake_cuda import FakeLibcudart
from tests.fakes.fake_tensorrt import (
    CudaEngine,
    ExecutionContext,
    ILogger,
    Runtime,
    World,
    enum,
    say,
)

VERSION = "1.7.1.116"


@dataclass
class RtxWorld(World):
    """What a test sets before, and reads after.

    Attributes:
        compiled: kernels that no cache had, in the order in which they were compiled.
        strategies: (graphs, kernels) of each context that was made.
        makes_cache: whether there is memory for a runtime cache.
        graphs: sizes of the graphs that the library itself recorded.
    """

    compiled: list[str] = field(default_factory=list)
    strategies: list[tuple[str, str]] = field(default_factory=list)
    makes_cache: bool = True
    graphs: list[int] = field(default_factory=list)

    @property
    def major(self) -> int:
        return 11  # whose names it has; its own numbers begin at 1


@dataclass
class RtxMachine:
    """Fake GPUs with one fake TensorRT for RTX."""

    library: FakeLibcudart
    cuda: CudaRuntime
    trt: Any
    world: RtxWorld

    @classmethod
    def make(cls, version: str = VERSION, **gpu: Any) -> RtxMachine:
        gpu = {"gpu": "RTX 4090", "capability": (8, 9), "multiprocessors": 128, **gpu}
        library = FakeLibcudart(**gpu)
        trt, world = make_rtx(library, version)
        return cls(library, CudaRuntime(library), trt, world)

    def at(self, gpu: int) -> RtxMachine:
        """The same machine, with another of its GPUs chosen by number."""
        return replace(self, cuda=CudaRuntime(self.library, gpu))

    @property
    def platform(self) -> GpuPlatform:
        return gpu_platform(self.trt, self.cuda)

    def write_engine(
        self,
        folder: Path,
        precision: Precision = Precision.FP32,
        capabilities: tuple[str, ...] = ("8.6", "8.9"),
        best: int = 4,
    ) -> StampedEngine:
        """An engine that was built elsewhere and ahead of time, in the bundle's folder."""
        profile = [[n, 8, 8, 3] for n in (1, best, 8)]
        plan = json.dumps({"version": self.world.version, "profile": profile}).encode()
        gpus = "-".join(f"sm{capability.replace('.', '')}" for capability in capabilities)
        name = f"{precision.value}-rtx{self.world.version}-{gpus}"
        stamp = EngineStamp(
            precision=precision,
            source_sha256=Bundle.load(folder).model_sha256(precision),
            sha256=sha256(plan).hexdigest(),
            bytes=len(plan),
            platform=GpuPlatform(self.world.version, "", "", 0, platform.machine(), "rtx"),
            profile=Profile(1, best, 8),
            strongly_typed=True,
            compute_capabilities=capabilities,
        )
        path = folder / ENGINES / f"{name}.engine"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(plan)
        stamp.write(path.with_suffix(".json"))
        return StampedEngine(path, stamp)


def make_rtx(cuda: FakeLibcudart, version: str = VERSION) -> tuple[Any, RtxWorld]:
    """(a module that stands for `tensorrt_rtx`, the strings to pull on it)."""
    world = RtxWorld(cuda, version)
    module = SimpleNamespace(
        __name__="tensorrt_rtx",
        __version__=version,
        ILogger=ILogger,
        TensorIOMode=enum("TensorIOMode", "NONE", "INPUT", "OUTPUT"),
        DataType=enum("DataType", "FLOAT", "HALF", "UINT8"),
        CudaGraphStrategy=enum("CudaGraphStrategy", "DISABLED", "WHOLE_GRAPH_CAPTURE"),
        DynamicShapesKernelSpecializationStrategy=enum(
            "DynamicShapesKernelSpecializationStrategy", "LAZY", "EAGER", "NONE"
        ),
    )
    world.tensors = {
        "images": (module.TensorIOMode.INPUT, module.DataType.UINT8),
        "scores": (module.TensorIOMode.OUTPUT, module.DataType.FLOAT),
    }
    module.Runtime = lambda logger: RtxRuntime(world, module, logger)
    return module, world


class RtxRuntime(Runtime):
    def __init__(self, world: RtxWorld, module: Any, logger: Any) -> None:
        super().__init__(world, logger)
        self.module = module

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        engine = super().deserialize_cuda_engine(plan)
        return engine and RtxEngine(self, engine.plan)


class RtxEngine(CudaEngine):
    def create_runtime_config(self) -> Any:
        self.world.cuda.check_current(self.runtime.gpu)
        return IRuntimeConfig(self)

    def create_execution_context(self, *, runtime_config: Any = None) -> Any:
        self.world.cuda.check_current(self.runtime.gpu)
        assert runtime_config is not None, "made without its configuration"
        if not self.world.makes_context:
            say(self.runtime.logger, ILogger.ERROR, "out of memory")
            return None
        return RtxExecutionContext(self, runtime_config)


class IRuntimeConfig:
    def __init__(self, engine: RtxEngine) -> None:
        module = engine.runtime.module  # type: ignore[attr-defined]
        self.engine = engine
        self.cuda_graph_strategy = module.CudaGraphStrategy.DISABLED
        kernels = module.DynamicShapesKernelSpecializationStrategy
        self.dynamic_shapes_kernel_specialization_strategy = kernels.LAZY
        self.cache: Any = lambda: None
        weakref.finalize(self, engine.world.cuda.events.append, "config released")

    def create_runtime_cache(self) -> Any:
        world: Any = self.engine.world
        return IRuntimeCache(self.engine) if world.makes_cache else None

    def set_runtime_cache(self, cache: Any) -> bool:
        self.cache = weakref.ref(cache)  # the library keeps no cache alive
        return True


class IRuntimeCache:
    def __init__(self, engine: RtxEngine) -> None:
        self.world, self.gpu = engine.world, engine.runtime.gpu
        self.kernels: set[str] = set()
        weakref.finalize(self, self.world.cuda.events.append, "cache released")

    def _about(self) -> dict[str, Any]:
        cuda = self.world.cuda
        return {"version": self.world.version, "gpu": cuda.gpus[self.gpu], "driver": cuda.driver}

    def deserialize(self, blob: bytes) -> bool:
        assert self.world.cuda.streams, "read before CUDA has a context to compare with"
        try:
            content = json.loads(blob)
        except ValueError:
            raise AssertionError("damaged kernels reached the library") from None
        kernels = content.pop("kernels")
        if content != json.loads(json.dumps(self._about())):
            return False
        self.kernels |= set(kernels)
        return True

    def serialize(self) -> Any:
        return json.dumps({**self._about(), "kernels": sorted(self.kernels)}).encode()


class RtxExecutionContext(ExecutionContext):
    def __init__(self, engine: RtxEngine, config: Any) -> None:
        super().__init__(engine)
        self.world = cast(RtxWorld, engine.world)
        self.config, self.cache = weakref.ref(config), config.cache
        self.recorded: set[int] = set()
        names = (
            config.cuda_graph_strategy.name,
            config.dynamic_shapes_kernel_specialization_strategy.name,
        )
        self.world.strategies.append(tuple(name.split(".")[1] for name in names))
        self.itself = names[0].endswith("WHOLE_GRAPH_CAPTURE")
        self._compile("engine")

    def execute_async_v3(self, handle: int) -> bool:
        assert self.cuda.stream(handle).recorded is None, "recorded by hand"
        assert self.config() is not None, "the configuration went before the context"
        assert self.shape is not None
        rows = self.shape[0]
        self._compile(f"batch of {rows}")
        if self.itself and rows not in self.recorded:
            self.recorded.add(rows)
            self.world.graphs.append(rows)
        return super().execute_async_v3(handle)

    def _compile(self, kernel: str) -> None:
        cache = self.cache()
        if cache is None or kernel not in cache.kernels:
            self.world.compiled.append(kernel)
        if cache is not None:
            cache.kernels.add(kernel)


def damage(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
