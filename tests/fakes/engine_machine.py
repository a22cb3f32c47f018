"""A machine with a GPU and TensorRT that are not there, and bundles with every precision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_export.engines import engine_target
from cdul_edge_export.engines.engine import build_engine
from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_target import tensorrt_target
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.engine_stamp import StampedEngine
from cdul_edge_runtime.backends.trt.library import gpu_platform
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits, PrecisionRecord
from cdul_edge_runtime.host.files import sha256_file
from tests.fakes.fake_cuda import FakeLibcudart
from tests.fakes.fake_tensorrt import World, make_tensorrt


@dataclass
class Machine:
    """A fake GPU, or several, with one fake TensorRT."""

    library: FakeLibcudart
    cuda: CudaRuntime
    trt: Any
    world: World

    @classmethod
    def make(cls, version: str = "10.3.0", **gpu: Any) -> Machine:
        library = FakeLibcudart(**gpu)
        trt, world = make_tensorrt(version, library)
        return cls(library, CudaRuntime(library), trt, world)

    def at(self, gpu: int) -> Machine:
        """The same machine, with another of its GPUs chosen by number."""
        return replace(self, cuda=CudaRuntime(self.library, gpu))

    @property
    def platform(self) -> GpuPlatform:
        return gpu_platform(self.trt, self.cuda)

    def build(
        self, bundle: Path, precision: Precision = Precision.FP32, **options: Any
    ) -> StampedEngine:
        """Build on this machine; options of `build_engine` aside, they are the settings'."""
        build = {name: options.pop(name) for name in ("force", "talk") if name in options}
        options.setdefault("profile", Profile(1, 4, 8))
        settings = BuildSettings(precision, **options)
        loaded = Bundle.load(bundle)
        return build_engine(loaded, settings, tensorrt_target(self.trt, self.cuda), **build)


def hide_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds see no GPU and no driver, wherever the tests run."""
    library = FakeLibcudart(driver=0)
    monkeypatch.setattr(engine_target, "CudaRuntime", lambda gpu=0: CudaRuntime(library, gpu))
    monkeypatch.setattr(engine_target, "nvidia_driver_there", lambda: False)


def add_precision(bundle: Path, precision: Precision) -> None:
    """Give the bundle a file of that precision, which only the fake parser reads."""
    path = bundle / precision.file_name
    path.write_bytes(precision.value.encode())
    record = PrecisionRecord(
        precision=precision,
        sha256=sha256_file(path),
        bytes=path.stat().st_size,
        source_sha256=Bundle.load(bundle).fp32_sha256,
        limits=Limits(0.5, 0.02, 0.1),
        accuracy=Accuracy(8, "fp32 scores", 100, 100, 0, 0, 0, "a test"),
        within_budget=True,
    )
    record.write(bundle)
