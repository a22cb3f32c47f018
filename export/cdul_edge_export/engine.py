"""Building engines, where they will run or ahead of time; needs neither PyTorch nor onnx."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from cdul_edge_export.compute_capabilities import set_gpus
from cdul_edge_export.engine_config import (
    PRECISIONS,
    BuildSettings,
    add_profile,
    check_opset,
    configure,
    create_network,
    parse_onnx,
)
from cdul_edge_export.engine_target import EngineTarget, choose_target
from cdul_edge_export.timing_cache import attach_cache, keep_cache
from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.engine_stamp import (
    ENGINES,
    EngineStamp,
    StampedEngine,
    damaged_stamps,
    list_engines,
    source_sha256,
)
from cdul_edge_runtime.backends.trt.library import (
    Messages,
    RtxTensorRT,
    collect_messages,
    last_errors,
    log_text,
    starting,
)
from cdul_edge_runtime.backends.trt.platform import (
    GpuPlatform,
    is_ampere_or_later,
    library_name,
)
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import FlavorRequest
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.machine import peak_memory_mib, reset_peak_memory

Talk = Callable[[str], None]


def require_tensorrt(flavor: FlavorRequest = "tensorrt") -> GpuPlatform:
    """Make sure that engines can be built here, before anything long begins.

    Raises:
        MissingExtraError: TensorRT is not installed.
        CdulEdgeError: TensorRT does not load, or there is no driver or no GPU.
    """
    return choose_target(flavor).platform


def buildable_precisions(bundle: Bundle) -> tuple[Precision, ...]:
    """Every precision the bundle has that TensorRT can use."""
    return tuple(precision for precision in bundle.precisions() if precision in PRECISIONS)


def build_engines(
    bundle: Bundle,
    wanted: Sequence[BuildSettings],
    target: EngineTarget | None = None,
    *,
    force: bool = False,
    talk: Talk = lambda line: None,
) -> list[StampedEngine]:
    """Build several engines; what would be refused is refused before the first build.

    Raises what `build_engine` raises.
    """
    target = target or choose_target()
    for settings in wanted:
        _refuse(bundle, settings, target, force=force)
    return [build_engine(bundle, settings, target, force=force, talk=talk) for settings in wanted]


def build_engine(
    bundle: Bundle,
    settings: BuildSettings,
    target: EngineTarget | None = None,
    *,
    force: bool = False,
    talk: Talk = lambda line: None,
) -> StampedEngine:
    """Build one engine into the bundle's engines/ folder, with its stamp, log and timing cache.

    Args:
        bundle: checked, as `Bundle.load` gives it; only its engines/ folder changes.
        settings: which engine.
        target: with what and for which GPUs; by default what `choose_target` finds here.
        force: replace the engine of that precision for this machine.
        talk: told what is done, a line at a time.

    Raises:
        MissingExtraError: TensorRT is not installed.
        BundleError: the bundle has no such precision, or its file was changed.
        CdulEdgeError: no GPU; the engine exists; the graph is too new or the parser refuses it;
            TensorRT gives up, such as for want of memory.
        OSError: such as a full disk; it leaves neither half an engine nor a stamp.
    """
    target = target or choose_target()
    path = _refuse(bundle, settings, target, force=force)
    for fault in damaged_stamps(bundle.folder):
        talk(fault)
    source = source_sha256(bundle, settings.precision)
    talk(_announce(settings, target))
    messages = collect_messages(target.trt)
    reset_peak_memory()
    started = perf_counter()
    with _logged_failure(path, messages):
        plan, strongly_typed = _build_plan(bundle, settings, target, messages, talk)
    build = _about_build(settings, perf_counter() - started)
    stamp = _stamp(settings, source, plan, target, build, strongly_typed=strongly_typed)
    _write_engine(path, plan, stamp)
    _write_log(path, messages)
    return StampedEngine(path, stamp)


def _stamp(
    settings: BuildSettings,
    source: str,
    plan: bytes,
    target: EngineTarget,
    build: dict[str, Any],
    *,
    strongly_typed: bool,
) -> EngineStamp:
    return EngineStamp(
        precision=settings.precision,
        source_sha256=source,
        sha256=hashlib.sha256(plan).hexdigest(),
        bytes=len(plan),
        platform=target.platform,
        profile=settings.profile,
        strongly_typed=strongly_typed,
        version_compatible=settings.version_compatible,
        hardware_compatible=settings.hardware_compatible,
        compute_capabilities=target.gpus.capabilities if target.gpus else (),
        newer_gpus=target.gpus is not None and target.gpus.newer_gpus,
        build=build,
    )


def _build_plan(
    bundle: Bundle,
    settings: BuildSettings,
    target: EngineTarget,
    messages: Messages,
    talk: Talk,
) -> tuple[bytes, bool]:
    """The serialized engine, and whether it is strongly typed."""
    trt, preprocess = target.trt, bundle.manifest.preprocess
    with starting(messages):
        builder = trt.Builder(messages)
    network, strongly_typed = create_network(trt, builder)
    # the network refers to weights that the parser owns: it must live until the build is over
    parser = trt.OnnxParser(network, messages)
    parse_onnx(parser, bundle.model_path(settings.precision))
    config = builder.create_builder_config()
    configure(trt, config, settings, strongly_typed=strongly_typed)
    shape = (preprocess.height_px, preprocess.width_px, 3)
    add_profile(builder, config, shape, settings.profile)
    cache = None
    if target.gpus is not None:
        rtx, rtx_config = cast(RtxTensorRT, trt), cast(api.RtxIBuilderConfig, config)
        set_gpus(rtx, rtx_config, target.gpus)
    else:
        # RTX measures nothing before it runs; there, a timing cache asks for a GPU and does nothing
        cache_path = _timing_cache(bundle, target.platform)
        cache = attach_cache(config, cache_path, talk)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise DeviceError(_explain_failure(settings, target.cuda, messages))
    if cache is not None:
        keep_cache(config, cache_path)
    del cache, parser  # they had to live until here
    return bytes(plan), strongly_typed


def _refuse(
    bundle: Bundle,
    settings: BuildSettings,
    target: EngineTarget,
    *,
    force: bool,
) -> Path:
    """Where the engine will lie; raises whatever can be known before the build."""
    graph, platform = bundle.manifest.graph, target.platform
    check_opset(target.trt, graph.opset, graph.newer_operators)
    bundle.model_path(settings.precision)
    if settings.hardware_compatible and not is_ampere_or_later(platform):
        raise CdulEdgeError(
            f"a hardware-compatible engine needs a GPU from Ampere (8.0) on, {platform.gpu} has "
            f"{platform.compute_capability}: leave --hardware-compatible out"
        )
    path = bundle.folder / ENGINES / f"{settings.precision.value}-{_target_name(target)}.engine"
    present = [engine.path for engine in list_engines(bundle.folder, settings.precision)]
    if path in present and not force:
        raise CdulEdgeError(f"{path} exists: replace it with --force")
    return path


def _announce(settings: BuildSettings, target: EngineTarget) -> str:
    platform = target.platform
    doing = f"building {settings.precision.value}"
    if target.gpus is None:
        return f"{doing} for {platform.gpu} with TensorRT {platform.tensorrt}; this takes minutes"
    library = f"{library_name('rtx')} {platform.tensorrt}"
    return f"{doing} for GPUs of {target.gpus} with {library}"


def _target_name(target: EngineTarget) -> str:
    """For file names, such as "orin-sm87-16mp-trt10.3.0" or "rtx1.7.1.116-sm86-sm89"."""
    platform = target.platform
    if target.gpus is not None:
        return f"rtx{platform.tensorrt}{target.gpus.short}"
    return f"{_gpu_name(platform)}-trt{platform.tensorrt}"


def _timing_cache(bundle: Bundle, platform: GpuPlatform) -> Path:
    name = f"timing-{platform.tensorrt}-{_gpu_name(platform)}.cache"
    return bundle.folder / ENGINES / name


def _gpu_name(platform: GpuPlatform) -> str:
    """For file names, such as "orin-sm87-16mp" of 16 multiprocessors."""
    slug = re.sub(r"[^a-z0-9]+", "-", platform.gpu.lower()).strip("-")
    capability = platform.compute_capability.replace(".", "")
    return f"{slug}-sm{capability}-{platform.multiprocessors}mp"


def _about_build(settings: BuildSettings, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 1),
        "peak_memory_mib": peak_memory_mib(),
        "workspace_mib": settings.workspace_mib,
        "optimization_level": settings.optimization_level,
    }


def _write_engine(path: Path, plan: bytes, stamp: EngineStamp) -> None:
    stamp_path = path.with_suffix(".json")
    with atomic_write(path) as temporary:
        temporary.write_bytes(plan)
    try:
        stamp.write(stamp_path)
    except BaseException:
        # an engine that no stamp describes is of no use, nor is the stamp of its predecessor
        path.unlink(missing_ok=True)
        stamp_path.unlink(missing_ok=True)
        raise


@contextmanager
def _logged_failure(path: Path, messages: Messages) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the reason for the failure matters more than its log
            _write_log(path, messages)
        raise


def _write_log(path: Path, messages: Messages) -> None:
    with atomic_write(path.with_suffix(".log")) as temporary:
        temporary.write_text(log_text(messages), encoding="utf-8")


def _explain_failure(settings: BuildSettings, cuda: CudaRuntime | None, messages: Messages) -> str:
    if cuda is None:
        return f"TensorRT built no {settings.precision.value} engine ({last_errors(messages)})"
    free, total = cuda.memory_mib()
    return (
        f"TensorRT built no {settings.precision.value} engine ({last_errors(messages)}; "
        f"{free:.0f} of {total:.0f} MiB are free on the GPU, workspace {settings.workspace_mib} "
        "MiB): end other programs, or build with a smaller --workspace or --batch-max"
    )
