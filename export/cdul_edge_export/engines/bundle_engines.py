"""The engines of a bundle: which are asked for, and which were built."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cdul_edge_export.engines.compute_capabilities import TURING
from cdul_edge_export.engines.engine import build_engines, buildable_precisions
from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_files import is_finished
from cdul_edge_export.engines.engine_target import EngineTarget, choose_target
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.engine_stamp import StampedEngine
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import FlavorRequest
from cdul_edge_runtime.host.console import Console, LibraryConsole


@dataclass(frozen=True)
class BuildRequest:
    """TensorRT engines to build from a bundle.

    Attributes:
        bundle: its folder; only its engines/ folder changes.
        precisions: which of its files to build from; None is all that TensorRT can use, where a
            build that was cut off goes on: engines that it finished are kept.
        flavor: TensorRT, for the GPU that is here; TensorRT for RTX, which needs none; "auto" is
            the first that can be used.
        for_gpus: compute capabilities such as "sm86" or "8.6", for TensorRT for RTX; empty is the
            GPUs that are here, and without one "all": every GPU from Ampere on.
        gpu: for which of several GPUs that are here, from 0.
        profile: the batch sizes that the engines take.
        workspace_mib: most device memory that one layer may use while it runs.
        version_compatible: let newer TensorRT versions load them; may be slower. Not with RTX.
        hardware_compatible: let newer GPUs (Ampere and later) load them; may be slower. Not with
            RTX, which has `for_gpus`.
        optimization_level: 0 (quick build) to 5 (long search); None leaves TensorRT's default. Not
            with RTX.
        force: replace engines for the same GPUs.
    """

    bundle: Path
    precisions: tuple[Precision, ...] | None = None
    profile: Profile = field(default_factory=lambda: Profile(1, 1, 8))
    workspace_mib: int = 1024
    version_compatible: bool = False
    hardware_compatible: bool = False
    optimization_level: int | None = None
    force: bool = False
    flavor: FlavorRequest = "auto"
    for_gpus: tuple[str, ...] = ()
    gpu: int = 0


@dataclass(frozen=True)
class BuildResult:
    """The engines that were built, in the order in which they were asked for."""

    bundle: Path
    engines: tuple[StampedEngine, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: every stamp with its path."""
        stamps = [{"path": str(one.path), **one.stamp.to_dict()} for one in self.engines]
        return {"bundle": str(self.bundle), "engines": stamps}


def build(request: BuildRequest, console: Console | None = None) -> BuildResult:
    """Build engines, where they will run or ahead of time; needs neither PyTorch nor onnx.

    Args:
        request: which engines.
        console: where to say what is done; without one, only warnings are issued.

    Raises:
        MissingExtraError: neither library is installed, or not the one that was asked for.
        BundleError: the bundle has no such precision, or a file of it was changed.
        CdulEdgeError: TensorRT has no GPU; TensorRT for RTX does not build for a GPU; an engine
            exists and `force` is not set; the graph is too new, or the library refuses it.
    """
    console = console or LibraryConsole()
    bundle = Bundle.load(request.bundle)
    precisions = buildable_precisions(bundle) if request.precisions is None else request.precisions
    wanted = [
        BuildSettings(
            precision=precision,
            profile=request.profile,
            workspace_mib=request.workspace_mib,
            version_compatible=request.version_compatible,
            hardware_compatible=request.hardware_compatible,
            optimization_level=request.optimization_level,
        )
        for precision in dict.fromkeys(precisions)
    ]
    target = choose_target(request.flavor, request.for_gpus, gpu=request.gpu)
    if request.precisions is None:
        wanted = _leave_out_impossible(wanted, target, console)
        if not request.force:
            wanted = _leave_out_finished(bundle, wanted, target, console)
    engines = build_engines(bundle, wanted, target, force=request.force, talk=console.say)
    return BuildResult(bundle.folder, tuple(engines))


def _leave_out_impossible(
    wanted: list[BuildSettings], target: EngineTarget, console: Console
) -> list[BuildSettings]:
    """FP16 alone where Turing is among the GPUs; everything where the bundle has no FP16 file."""
    fp16 = [settings for settings in wanted if settings.precision is Precision.FP16]
    others = [settings.precision.value for settings in wanted if settings not in fp16]
    if target.gpus is None or TURING not in target.gpus.capabilities or not (fp16 and others):
        return wanted
    console.say(
        f"Turing (sm75) takes FP16 only: {', '.join(others)} left out; other GPUs take them in a "
        "build of their own"
    )
    return fp16


def _leave_out_finished(
    bundle: Bundle, wanted: list[BuildSettings], target: EngineTarget, console: Console
) -> list[BuildSettings]:
    """What a build that was cut off has yet to do; everything where it has all been done."""
    missing = [settings for settings in wanted if not is_finished(bundle, settings, target)]
    kept = [settings.precision.value for settings in wanted if settings not in missing]
    if missing and kept:
        console.say(f"continuing; built before, and kept: {', '.join(kept)}")
    return missing or wanted
