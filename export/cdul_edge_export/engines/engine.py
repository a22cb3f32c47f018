"""Building engines, where they will run or ahead of time; needs neither PyTorch nor onnx."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any, cast

from cdul_edge_export.engines.compute_capabilities import forget_turing, set_gpus
from cdul_edge_export.engines.engine_config import (
    PRECISIONS,
    BuildSettings,
    add_profile,
    check_opset,
    configure,
    create_network,
    parse_onnx,
)
from cdul_edge_export.engines.engine_failure import explain_failure, join_failures
from cdul_edge_export.engines.engine_files import (
    engine_path,
    logged_failure,
    timing_cache_path,
    write_engine,
    write_log,
)
from cdul_edge_export.engines.engine_target import EngineTarget, choose_target
from cdul_edge_export.engines.interruption import Stop, attach_stop, deferred_interrupt
from cdul_edge_export.engines.timing_cache import attach_cache, keep_cache
from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.engine_stamp import (
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
    starting,
)
from cdul_edge_runtime.backends.trt.platform import (
    is_ampere_or_later,
    library_name,
)
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError
from cdul_edge_runtime.host.machine import peak_memory_mib, reset_peak_memory

Talk = Callable[[str], None]
# TensorRT for RTX keeps the GPUs of a build where the whole process sees them: two at once fail.
_ALONE = Lock()
# benchmarks/results/int8_on_rtx.json: the kernels of the engines of three networks.
_INT8_ON_RTX = (
    "on RTX GPUs fp16 is the file to run: TensorRT for RTX computes the convolutions of int8 in "
    "INT8, but writes FP32 and rounds that to INT8 again in separate kernels"
)


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

    One that cannot be built does not keep the others from being built.

    Raises:
        CdulEdgeError: what `build_engine` raises; what was built all the same is named.
        OSError: such as a full disk, at once.
    """
    target = target or choose_target()
    for settings in wanted:
        _refuse(bundle, settings, target, force=force)
    for line in (*target.notes, *damaged_stamps(bundle.folder)):
        talk(line)
    if target.gpus is not None and any(one.precision is Precision.INT8 for one in wanted):
        talk(_INT8_ON_RTX)
    built, failures = [], []
    for settings in wanted:
        try:
            built.append(build_engine(bundle, settings, target, force=force, talk=talk))
        except CdulEdgeError as error:
            failures.append((settings.precision, error))
    if failures:
        raise join_failures(failures, [engine.path for engine in built])
    return built


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
        force: replace the engine of that precision for the same GPUs.
        talk: told what is done, a line at a time.

    Raises:
        MissingExtraError: TensorRT is not installed.
        BundleError: the bundle has no such precision, or its file was changed.
        CdulEdgeError: no GPU; the engine exists; the graph is too new or the parser refuses it;
            TensorRT gives up, such as for want of memory; an option that the library lacks.
        OSError: such as a full disk; it leaves neither half an engine nor a stamp, and an engine
            that was to be replaced stays.
    """
    target = target or choose_target()
    path = _refuse(bundle, settings, target, force=force)
    source = source_sha256(bundle, settings.precision)
    talk(_announce(settings, target))
    messages = collect_messages(target.trt)
    with _ALONE, logged_failure(path, messages), target.at_gpu(), deferred_interrupt() as stop:
        reset_peak_memory()
        started = perf_counter()
        plan, strongly_typed = _build_plan(bundle, settings, target, messages, talk, stop)
        build = _about_build(settings, perf_counter() - started)
    stamp = _stamp(settings, source, plan, target, build, strongly_typed=strongly_typed)
    write_engine(path, plan, stamp)
    write_log(path, messages)
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
    stop: Stop,
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
    cache, cache_path = None, timing_cache_path(bundle, target.platform)
    if target.gpus is None:
        cache = attach_cache(config, cache_path, talk)
    else:  # RTX measures nothing here: a timing cache would only make it ask for a GPU
        rtx, rtx_config = cast(RtxTensorRT, trt), cast(api.RtxIBuilderConfig, config)
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the log lists the layers
        set_gpus(rtx, rtx_config, target.gpus)
    monitor = attach_stop(trt, config, stop)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        failure = explain_failure(settings, target, messages)
        if target.gpus is not None:
            forget_turing(rtx, builder, network, config, target.gpus)
        raise DeviceError(failure)
    if cache is not None:
        keep_cache(config, cache_path)
    del cache, monitor, parser  # they had to live until here
    return bytes(plan), strongly_typed


def _refuse(bundle: Bundle, settings: BuildSettings, target: EngineTarget, *, force: bool) -> Path:
    """Where the engine will lie; raises whatever can be known before the build."""
    graph, platform = bundle.manifest.graph, target.platform
    check_opset(target.trt, graph.opset, graph.newer_operators)
    bundle.model_path(settings.precision)
    if target.gpus is not None:
        _refuse_what_rtx_lacks(settings)
    elif settings.hardware_compatible and not is_ampere_or_later(platform):
        raise CdulEdgeError(
            f"a hardware-compatible engine needs a GPU from Ampere (8.0) on, {platform.gpu} has "
            f"{platform.compute_capability}: leave --hardware-compatible out"
        )
    path = engine_path(bundle, settings.precision, target)
    present = [engine.path for engine in list_engines(bundle.folder, settings.precision)]
    if path in present and not force:
        raise CdulEdgeError(f"{path} exists: replace it with --force")
    return path


def _refuse_what_rtx_lacks(settings: BuildSettings) -> None:
    """Options that its builder takes without doing anything, or fails on with other words."""
    if settings.hardware_compatible:
        raise CdulEdgeError(
            "an engine of TensorRT for RTX runs on every GPU that it was built for: name them "
            "with --for, and leave --hardware-compatible out"
        )
    if settings.version_compatible:
        raise CdulEdgeError(
            "an engine of TensorRT for RTX runs on the version that built it and on no other: "
            "leave --version-compatible out, and build again after an update"
        )
    if settings.optimization_level is not None:
        raise CdulEdgeError(
            "TensorRT for RTX chooses kernels where the engine runs, whatever the optimization "
            "level: leave it out"
        )


def _announce(settings: BuildSettings, target: EngineTarget) -> str:
    platform, doing = target.platform, f"building {settings.precision.value}"
    library = f"{library_name(platform.flavor)} {platform.tensorrt}"
    if target.gpus is None:
        return f"{doing} for {platform.gpu} with {library}; this takes minutes"
    return f"{doing} for {target.gpus} with {library}"


def _about_build(settings: BuildSettings, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 2),
        "peak_memory_mib": peak_memory_mib(),
        "workspace_mib": settings.workspace_mib,
        "optimization_level": settings.optimization_level,
    }
