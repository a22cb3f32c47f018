"""TensorRT as a recording fake in three flavours; it enforces the documented order of calls.

A name that a version does not have is not there in its flavour either. The engine computes what
the tiny bundle's graph computes, so that answers can be asserted. What the real library answers
with a crash, or with nonsense, is an AssertionError here.
"""

from __future__ import annotations

import ctypes
import gc
import json
import weakref
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.fakes.fake_cuda import FakeLibcudart

VERSIONS = ("8.6.1", "10.3.0", "11.4.0.106")
CLASSES = 3


class Member:
    """A member of one of TensorRT's enums: known by identity, and by its number."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number = name, number

    def __int__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return self.name


def enum(name: str, *members: str) -> SimpleNamespace:
    return SimpleNamespace(**{m: Member(f"{name}.{m}", i) for i, m in enumerate(members)})


class ILogger:
    """As pybind11 has it: a subclass must call this `__init__` itself."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = (
        Member(name, i)
        for i, name in enumerate("INTERNAL_ERROR ERROR WARNING INFO VERBOSE".split())
    )

    def __init__(self) -> None:
        self.ready = True


@dataclass
class World:
    """What a test sets before, and reads after.

    Attributes:
        parser_faults: what the parser finds wrong; empty lets it read the file.
        build_fails: what the builder says before it returns None; "" lets it build.
        starts: whether TensorRT gives a builder or a runtime.
        loads: whether an engine can be deserialized, and a context be made from it.
        accepts_cache: whether a timing cache that is not empty is taken.
        built: settings of every build: flags, workspace, profile and the rest.
        activations: bytes that an engine asks for.
    """

    cuda: FakeLibcudart
    version: str
    parser_faults: list[str] = field(default_factory=list)
    build_fails: str = ""
    starts: bool = True
    loads: bool = True
    makes_context: bool = True
    executes: bool = True
    accepts_cache: bool = True
    built: list[dict[str, Any]] = field(default_factory=list)
    activations: int = 1 << 20
    caches: list[bytes] = field(default_factory=list)
    host_code: list[bool] = field(default_factory=list)
    tensors: dict[str, Any] = field(default_factory=dict)

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def make_tensorrt(version: str, cuda: FakeLibcudart) -> tuple[Any, World]:
    """(a module that stands for `tensorrt` of that version, the strings to pull on it)."""
    world = World(cuda, version)
    old, new = world.major < 10, world.major >= 11
    flags = [] if new else ["FP16", "INT8"]
    creation = [*([] if new else ["EXPLICIT_BATCH"]), *([] if old else ["STRONGLY_TYPED"])]
    module = SimpleNamespace(
        __name__="tensorrt",
        __version__=version,
        ILogger=ILogger,
        BuilderFlag=enum("BuilderFlag", "TF32", "VERSION_COMPATIBLE", *flags),
        NetworkDefinitionCreationFlag=enum("NetworkDefinitionCreationFlag", *creation),
        MemoryPoolType=enum("MemoryPoolType", "WORKSPACE"),
        HardwareCompatibilityLevel=enum("HardwareCompatibilityLevel", "NONE", "AMPERE_PLUS"),
        TensorIOMode=enum("TensorIOMode", "NONE", "INPUT", "OUTPUT"),
        DataType=enum("DataType", "FLOAT", "HALF", "UINT8"),
    )
    world.tensors = {
        "images": (module.TensorIOMode.INPUT, module.DataType.UINT8),
        "scores": (module.TensorIOMode.OUTPUT, module.DataType.FLOAT),
    }
    module.Builder = lambda logger: Builder(world, module, logger)
    module.Runtime = lambda logger: Runtime(world, logger)
    module.OnnxParser = lambda network, logger: OnnxParser(world, network, logger)
    return module, world


def check_logger(logger: Any) -> Any:
    assert isinstance(logger, ILogger)
    assert logger.ready
    return weakref.ref(logger)  # TensorRT keeps a bare pointer: it keeps no logger alive


def start(world: World, logger: Any) -> Any:
    """The logger, or what pybind11 says of a factory that gave no object."""
    checked = check_logger(logger)
    if not world.starts:
        say(checked, ILogger.ERROR, "CUDA initialization failure with error: 2")
        raise TypeError("pybind11::init(): factory function returned nullptr")
    return checked


def say(logger: Any, severity: Member, text: str) -> None:
    alive = logger()
    assert alive is not None, "the logger is gone"
    alive.log(severity, text)


class Builder:
    def __init__(self, world: World, module: Any, logger: Any) -> None:
        self.world, self.module, self.logger = world, module, start(world, logger)
        self.gpu = world.cuda.current

    def create_network(self, flags: int) -> Any:
        creation = self.module.NetworkDefinitionCreationFlag
        asked = [name for name, bit in vars(creation).items() if flags >> int(bit) & 1]
        assert flags >> len(vars(creation)) == 0
        if self.world.major == 8:
            assert asked == ["EXPLICIT_BATCH"]
        network = SimpleNamespace(parser=None, typed="STRONGLY_TYPED" in asked, num_layers=6)
        network.typed |= self.world.major >= 11
        return network

    def create_builder_config(self) -> Any:
        return BuilderConfig(self.world, self.module)

    def create_optimization_profile(self) -> Any:
        return OptimizationProfile()

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        gc.collect(1)
        parser = network.parser and network.parser()
        assert parser is not None, "built before the graph was parsed, or after the parser went"
        assert parser.model, "built although the parser failed"
        assert config.profiles, "built without a profile: the batch is dynamic"
        self.world.cuda.check_current(self.gpu)
        flags = {flag.name.split(".")[1] for flag in config.flags}
        say(self.logger, ILogger.INFO, "building")
        say(self.logger, ILogger.VERBOSE, "a tactic")
        fault = self.world.build_fails or self._fault(network.typed, flags, parser.model)
        if fault:
            say(self.logger, ILogger.ERROR, fault)
            return None
        plan = {"version": self.world.version, "profile": config.profiles[0]}
        self.world.built.append(
            {
                "gpu": self.gpu,
                "flags": flags,
                "typed": network.typed,
                "workspace": config.workspace,
                "level": getattr(config, "builder_optimization_level", None),
                "hardware": getattr(config, "hardware_compatibility_level", None),
                "model": parser.model,
                **plan,
            }
        )
        return json.dumps(plan).encode()

    def _fault(self, typed: bool, flags: set[str], model: str) -> str:
        allowed = {"FP16", "INT8"} & flags
        if typed and allowed:
            return "Strongly typed networks take no precision flags"
        if not typed and model == "int8" and "INT8" not in flags:
            return "Q/DQ layers need the INT8 flag"
        if not typed and model == "fp16" and "FP16" not in flags:
            return "a Half tensor needs the FP16 flag"
        return ""


class BuilderConfig:
    def __init__(self, world: World, module: Any) -> None:
        self.world, self.flags = world, {module.BuilderFlag.TF32}
        self.profiles: list[list[list[int]]] = []
        self.workspace = 0
        self.cache: Any = None

    def set_flag(self, flag: Member) -> None:
        assert isinstance(flag, Member), "a flag that this version does not have"
        self.flags.add(flag)

    def clear_flag(self, flag: Member) -> None:
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: Member, size: int) -> None:
        assert pool.name == "MemoryPoolType.WORKSPACE"
        self.workspace = size

    def add_optimization_profile(self, profile: Any) -> int:
        assert profile.shapes, "a profile without shapes"
        self.profiles.append(profile.shapes)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized: bytes) -> Any:
        if serialized and not self.world.accepts_cache:
            return None
        return TimingCache(serialized)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert ignore_mismatch is False
        self.world.caches.append(cache.content)
        self.cache = weakref.ref(cache)
        return True

    def get_timing_cache(self) -> Any:
        cache = self.cache()
        assert cache is not None, "the timing cache went before the build was over"
        return cache


class TimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content + b"+measured"


class OptimizationProfile:
    def __init__(self) -> None:
        self.shapes: list[list[int]] = []

    def set_shape(self, name: str, low: Any, best: Any, high: Any) -> None:
        assert name == "images"
        self.shapes = [list(low), list(best), list(high)]


class OnnxParser:
    def __init__(self, world: World, network: Any, logger: Any) -> None:
        self.world, self.logger = world, check_logger(logger)
        self.model = ""
        network.parser = weakref.ref(self)
        self.num_errors = len(world.parser_faults)

    def parse(self, model: bytes) -> bool:
        assert isinstance(model, bytes)
        if self.world.parser_faults:
            return False
        # `add_precision` writes the name alone; the tiny bundle's own graph is FP32
        self.model = model.decode() if model in (b"fp16", b"int8") else "fp32"
        return True

    def get_error(self, index: int) -> Any:
        error = SimpleNamespace(
            code=lambda: "ErrorCode.UNSUPPORTED_NODE",
            desc=lambda: self.world.parser_faults[index],
            node=lambda: 12,
        )
        if self.world.major >= 10:
            error.node_name, error.node_operator = lambda: "layer1.0", lambda: "Einsum"
        return error


class Runtime:
    def __init__(self, world: World, logger: Any) -> None:
        self.world, self.logger = world, start(world, logger)
        self.engine_host_code_allowed = False
        self.gpu = world.cuda.current  # what it makes belongs to the device of that moment
        weakref.finalize(self, world.cuda.note_release, "runtime released", self.gpu)

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        self.world.host_code.append(self.engine_host_code_allowed)
        self.world.cuda.check_current(self.gpu)
        if not self.world.loads:
            say(self.logger, ILogger.ERROR, "Version tag does not match")
            return None
        return CudaEngine(self, json.loads(plan))


class CudaEngine:
    def __init__(self, runtime: Runtime, plan: dict[str, Any]) -> None:
        self.runtime, self.plan = runtime, plan
        world = self.world = runtime.world
        self.num_io_tensors = len(world.tensors)
        if world.major < 11:
            self.device_memory_size = world.activations
        if world.major >= 10:
            self.device_memory_size_v2 = world.activations
        weakref.finalize(self, world.cuda.note_release, "engine released", runtime.gpu)

    def create_execution_context(self) -> Any:
        self.world.cuda.check_current(self.runtime.gpu)
        if not self.world.makes_context:
            say(self.runtime.logger, ILogger.ERROR, "out of memory")
            return None
        return ExecutionContext(self)

    def get_tensor_name(self, index: int) -> str:
        return list(self.world.tensors)[index]

    def get_tensor_mode(self, name: str) -> Member:
        mode: Member = self.world.tensors[name][0]
        return mode

    def get_tensor_dtype(self, name: str) -> Member:
        dtype: Member = self.world.tensors[name][1]
        return dtype

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, *self.plan["profile"][0][1:]) if name == "images" else (-1, CLASSES)

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        assert (name, index) == ("images", 0), "profiles are of inputs only"
        return [tuple(shape) for shape in self.plan["profile"]]


class ExecutionContext:
    def __init__(self, engine: CudaEngine) -> None:
        self.engine, self.cuda = engine, engine.world.cuda
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] | None = None
        self.ran = False  # at this shape: the first run may allocate, which no capture can
        self.changes = 0
        self.inside = False
        weakref.finalize(self, self.cuda.note_release, "context released", engine.runtime.gpu)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self.engine.plan["profile"]
        assert name == "images"
        if not all(a <= n <= b for a, n, b in zip(low, shape, high, strict=True)):
            return False
        self.shape, self.ran = tuple(shape), False
        self.changes += 1
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.cuda.check_inside(address, 1, "device")
        self.addresses[name] = address
        self.changes += 1
        return True

    def execute_async_v3(self, handle: int) -> bool:
        assert not self.inside, "two threads in one context"
        self.cuda.check_current(self.engine.runtime.gpu)
        self.inside = True
        assert self.addresses.keys() == {"images", "scores"}, "an address is missing"
        assert self.shape is not None, "run before the input's shape was set"
        stream = self.cuda.stream(handle)
        assert stream.recorded is None or self.ran, "recorded on a first run"
        changes, shape, self.ran = self.changes, self.shape, True

        def compute() -> None:
            assert self.changes == changes, "the context changed after its graph was recorded"
            self._compute(shape)

        if self.engine.world.executes:
            stream.add(compute)
        else:
            say(self.engine.runtime.logger, ILogger.ERROR, "an illegal memory access")
        self.inside = False
        return self.engine.world.executes

    def _compute(self, shape: tuple[int, ...]) -> None:
        size, results = int(np.prod(shape)), shape[0] * CLASSES
        self.cuda.check_inside(self.addresses["images"], size, "device")
        self.cuda.check_inside(self.addresses["scores"], results * 4, "device")
        raw = (ctypes.c_ubyte * size).from_address(self.addresses["images"])
        means = np.ctypeslib.as_array(raw).reshape(shape).mean(axis=(1, 2)) / 255
        scores = (ctypes.c_float * results).from_address(self.addresses["scores"])
        np.ctypeslib.as_array(scores)[:] = (1 / (1 + np.exp(4 - 8 * means))).ravel()
