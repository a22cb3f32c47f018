"""What a build leaves in a bundle's engines/ folder: engine, stamp, log, and timing cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_target import EngineTarget
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp, source_sha256
from cdul_edge_runtime.backends.trt.library import Messages, log_text
from cdul_edge_runtime.backends.trt.platform import GpuPlatform, gpu_slug
from cdul_edge_runtime.bundle.bundle import ENGINES, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write, sha256_file


def engine_path(bundle: Bundle, precision: Precision, target: EngineTarget) -> Path:
    """One name for a precision, a library, and the GPUs.

    Such as "fp16-orin-sm87-16mp-trt10.3.0.engine", or "fp16-rtx1.7.1.116-sm86-sm89.engine", which
    names no machine: it is for others.
    """
    platform = target.platform
    if target.gpus is None:
        name = f"{gpu_slug(platform)}-trt{platform.tensorrt}"
    else:
        name = f"rtx{platform.tensorrt}{target.gpus.suffix}"
    return bundle.folder / ENGINES / f"{precision.value}-{name}.engine"


def is_finished(bundle: Bundle, settings: BuildSettings, target: EngineTarget) -> bool:
    """Whether the very engine that these settings ask for lies there, whole."""
    path = engine_path(bundle, settings.precision, target)
    if not path.is_file():
        return False
    try:
        stamp = EngineStamp.read(path.with_suffix(".json"))
    except CdulEdgeError:
        return False
    asked = {
        "workspace_mib": settings.workspace_mib,
        "optimization_level": settings.optimization_level,
    }
    return (
        stamp.source_sha256 == source_sha256(bundle, settings.precision)
        and stamp.platform == target.platform
        and stamp.profile == settings.profile
        and stamp.version_compatible == settings.version_compatible
        and stamp.hardware_compatible == settings.hardware_compatible
        and asked.items() <= stamp.build.items()
        and stamp.sha256 == sha256_file(path)
    )


def timing_cache_path(bundle: Bundle, platform: GpuPlatform) -> Path:
    """One for a version of TensorRT and a GPU, whatever is built."""
    name = f"timing-{platform.tensorrt}-{gpu_slug(platform)}.cache"
    return bundle.folder / ENGINES / name


def write_engine(path: Path, plan: bytes, stamp: EngineStamp) -> None:
    """Write both or neither; what they replace stays until both are on the disk."""
    stamp_path = path.with_suffix(".json")
    with atomic_write(stamp_path) as new_stamp, atomic_write(path) as new_engine:
        new_engine.write_bytes(plan)
        stamp.write(new_stamp)


def write_log(path: Path, messages: Messages) -> None:
    """Write what the library said, beside the engine."""
    with atomic_write(path.with_suffix(".log")) as temporary:
        temporary.write_text(log_text(messages), encoding="utf-8")


@contextmanager
def logged_failure(path: Path, messages: Messages) -> Iterator[None]:
    """Write the log although the block fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the reason for the failure matters more than its log
            write_log(path, messages)
        raise
