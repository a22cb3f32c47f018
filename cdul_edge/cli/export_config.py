"""`cdul-edge export-config`: a bundle for DeepStream or Triton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cdul_edge.cli.options.thresholds import THRESHOLD_HELP, parse_threshold
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.choices import InstanceKind, Pipeline, TritonBackend
from cdul_edge_runtime.host.console import StderrConsole

TargetArgument = Annotated[Pipeline, typer.Argument(help="The program to write for.")]
BundleArgument = Annotated[Path, typer.Argument(help="Folder of the bundle.")]
OutOption = Annotated[
    Path,
    typer.Option(
        help="Write to this folder. For triton it is the model repository, and the model gets a "
        "folder in it."
    ),
]
PrecisionOption = Annotated[
    Literal["fp32", "fp16", "int8", "int8-cpu"],
    typer.Option(help="Serve this file of the bundle. int8-cpu is for Triton on x86 CPUs."),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        help="Most pictures in one call; for deepstream, the number of cameras.",
        show_default="1 for deepstream; for triton 8, or what the engine takes",
    ),
]
ThresholdOption = Annotated[
    str | None, typer.Option(help=f"{THRESHOLD_HELP}.", show_default="the bundle's")
]
NameOption = Annotated[
    str | None,
    typer.Option(help="Name of the model in Triton.", show_default="the bundle's folder"),
]
BackendOption = Annotated[
    TritonBackend,
    typer.Option(help="What Triton serves: the ONNX file, or a TensorRT engine of the bundle."),
]
EngineOption = Annotated[
    Path | None,
    typer.Option(help="Serve this engine of the bundle.", show_default="the only one"),
]
InstancesOption = Annotated[
    InstanceKind,
    typer.Option(help="Where Triton runs the model; auto is the GPU, if there is one."),
]
DelayOption = Annotated[
    int,
    typer.Option(
        "--queue-delay-us",
        help="In Triton, let a request wait this many microseconds for others in its batch.",
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace what an earlier export-config wrote.")
]
JsonOption = Annotated[
    Path | None, typer.Option(help="Write a summary as JSON to this file; - is stdout.")
]


def export_config(
    target: TargetArgument,
    bundle: BundleArgument,
    out: OutOption,
    precision: PrecisionOption = "fp32",
    batch_size: BatchOption = None,
    threshold: ThresholdOption = None,
    name: NameOption = None,
    backend: BackendOption = "onnxruntime",
    engine: EngineOption = None,
    instances: InstancesOption = "auto",
    queue_delay_us: DelayOption = 2000,
    force: ForceOption = False,
    json: JsonOption = None,
) -> None:
    """Write a bundle for NVIDIA's DeepStream, or for the Triton Inference Server.

    deepstream: a graph that DeepStream's own classifier labels by, nvinfer's configuration, and
    labels. triton: a model of a repository, which serves the bundle's file as it is.
    """
    from cdul_edge_export import ExportConfigRequest, TritonOptions
    from cdul_edge_export import export_config as write
    from cdul_edge_runtime.bundle.manifest import Precision

    request = ExportConfigRequest(
        target=target,
        bundle=bundle,
        out=out,
        precision=Precision(precision),
        batch_size=batch_size,
        threshold=None if threshold is None else parse_threshold(threshold),
        triton=TritonOptions(
            name=name,
            backend=backend,
            engine=engine,
            instances=instances,
            queue_delay_us=queue_delay_us,
        ),
        force=force,
    )
    result = write(request, StderrConsole())
    if json is not None:
        write_summary(json, result.to_dict())
    if str(json) != "-":
        print(result.folder)
