"""`cdul-edge build`: engines, on the machine that will run them or ahead of time."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdul_edge.cli.output.result_console import message_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.choices import ENGINE_DEVICES
from cdul_edge_runtime.device_choice import DeviceChoice
from cdul_edge_runtime.host.console import StderrConsole

if TYPE_CHECKING:
    from rich.console import Console

    from cdul_edge_export import BuildResult


class EnginePrecision(str, Enum):
    """What TensorRT can build an engine from."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class EngineFlavor(str, Enum):
    """With which of NVIDIA's libraries."""

    AUTO = "auto"
    TENSORRT = "tensorrt"
    RTX = "rtx"


BundleArgument = Annotated[Path, typer.Argument(help="Folder of the bundle.")]
PrecisionOption = Annotated[
    list[EnginePrecision] | None,
    typer.Option(
        help="Build an engine of this precision; repeat the option for more.",
        show_default="all that the bundle has",
    ),
]
FlavorOption = Annotated[
    EngineFlavor,
    typer.Option(
        help="tensorrt builds for the GPU of this machine. rtx, TensorRT for RTX, builds for GPUs "
        "of PCs and needs none itself. auto takes tensorrt where it is installed beside a GPU, and "
        "rtx otherwise.",
    ),
]
ForOption = Annotated[
    list[str] | None,
    typer.Option(
        "--for",
        help="With rtx, build for these GPUs: compute capabilities such as sm86,sm89, or all for "
        "every one from Ampere on.",
        show_default="the GPUs of this machine; without one, all",
    ),
]
GpuOption = Annotated[
    int,
    typer.Option(
        help="Build for this one of several GPUs, as `tensorrt:1` runs it. With rtx one engine is "
        "for all of them.",
        min=0,
    ),
]
BatchMinOption = Annotated[int, typer.Option(help="Smallest batch that the engine accepts.", min=1)]
BatchBestOption = Annotated[
    int, typer.Option(help="Batch size to tune for. A camera gives one picture.", min=1)
]
BatchMaxOption = Annotated[
    int,
    typer.Option(help="Largest batch that the engine accepts. Less saves memory.", min=1),
]
WorkspaceOption = Annotated[
    int,
    typer.Option(
        help="Memory in MiB that TensorRT may use for one layer. Use less if a build runs out "
        "of memory.",
        min=1,
    ),
]
VersionCompatibleOption = Annotated[
    bool,
    typer.Option(
        "--version-compatible",
        help="Let newer versions of TensorRT load it. May be slower; not with rtx.",
    ),
]
HardwareCompatibleOption = Annotated[
    bool,
    typer.Option(
        "--hardware-compatible",
        help="Let other GPUs from Ampere on load it. May be slower; not for a Jetson and not with "
        "rtx.",
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace the engines for the same GPUs.")
]
JsonOption = Annotated[
    Path | None,
    typer.Option(help="Write the engines' stamps as JSON to this file; - is stdout."),
]


def build(
    bundle: BundleArgument,
    precision: PrecisionOption = None,
    flavor: FlavorOption = EngineFlavor.AUTO,
    for_gpus: ForOption = None,
    gpu: GpuOption = 0,
    batch_min: BatchMinOption = 1,
    batch_best: BatchBestOption = 1,
    batch_max: BatchMaxOption = 8,
    workspace: WorkspaceOption = 1024,
    version_compatible: VersionCompatibleOption = False,
    hardware_compatible: HardwareCompatibleOption = False,
    force: ForceOption = False,
    json: JsonOption = None,
) -> None:
    """Build engines of a bundle, with TensorRT or TensorRT for RTX. PyTorch is not needed."""
    from cdul_edge_export import BuildRequest
    from cdul_edge_export import build as build_engines
    from cdul_edge_runtime.backends.profile import Profile
    from cdul_edge_runtime.bundle.manifest import Precision

    request = BuildRequest(
        bundle=bundle,
        precisions=tuple(Precision(one.value) for one in precision) if precision else None,
        profile=Profile(batch_min, batch_best, batch_max),
        workspace_mib=workspace,
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
        force=force,
        flavor=flavor.value,
        for_gpus=tuple(for_gpus or ()),
        gpu=gpu,
    )
    messages = message_console()
    result = build_engines(request, StderrConsole(messages))
    say_engines(result, messages, gpu)
    if json is not None:
        write_summary(json, result.to_dict())
    if str(json) != "-":
        for engine in result.engines:
            print(engine.path)


def say_engines(result: BuildResult, messages: Console, gpu: int = 0) -> None:
    """What was built, for which of several GPUs, a line each, and how to try it."""
    for engine in result.engines:
        stamp = engine.stamp
        peak = stamp.build["peak_memory_mib"]
        memory = f", peak memory {peak:.0f} MiB" if peak is not None else ""
        seconds = stamp.build["seconds"]
        messages.print(
            f"{stamp.precision.value}: {stamp.bytes / 2**20:.1f} MiB in "
            f"{seconds:.{0 if seconds >= 10 else 2}f} s{memory}"
        )
    messages.print(f"now: {_next_step(result, gpu)}")


def _next_step(result: BuildResult, gpu: int) -> str:
    """What runs the engines: here, or where there is a GPU for them."""
    platform = result.engines[0].stamp.platform
    device = ENGINE_DEVICES[platform.flavor]
    if device == "tensorrt-rtx" and not all(
        engine.stamp.runs_on(platform.compute_capability) for engine in result.engines
    ):
        there = _verify(result.bundle.name, device)
        return f"copy {result.bundle} to a PC with such a GPU, and run there: {there}"
    return _verify(str(result.bundle), str(DeviceChoice(device, gpu)))


def _verify(bundle: str, device: str) -> str:
    return shlex.join(["cdul-edge", "verify", bundle, "--backend", device])
