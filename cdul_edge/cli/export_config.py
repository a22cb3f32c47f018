"""`cdul-edge export-config`: a bundle for DeepStream or Triton."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.options.thresholds import THRESHOLD_HELP, parse_threshold
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.host.console import StderrConsole


class PipelineChoice(str, Enum):
    """For whom."""

    DEEPSTREAM = "deepstream"
    TRITON = "triton"


class BackendChoice(str, Enum):
    """What serves the model in Triton."""

    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"


class InstanceChoice(str, Enum):
    """Where it runs in Triton."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


class ServedPrecision(str, Enum):
    """Which of the bundle's files."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT8_CPU = "int8-cpu"


TargetArgument = Annotated[PipelineChoice, typer.Argument(help="For which program.")]
BundleArgument = Annotated[Path, typer.Argument(help="Folder of the bundle.")]
OutOption = Annotated[
    Path,
    typer.Option(
        help="Write to this folder. For triton it is the model repository, and the model gets a "
        "folder in it."
    ),
]
PrecisionOption = Annotated[
    ServedPrecision,
    typer.Option(help="Serve this file of the bundle. int8-cpu is for triton on x86 CPUs."),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        help="Most pictures in one call. For deepstream, the number of cameras.",
        show_default="1 for deepstream; for triton 8, or what the engine takes",
    ),
]
ThresholdOption = Annotated[
    str | None, typer.Option(help=f"{THRESHOLD_HELP}.", show_default="the bundle's")
]
NameOption = Annotated[
    str | None,
    typer.Option(help="Name of the model in triton.", show_default="the bundle's folder"),
]
BackendOption = Annotated[
    BackendChoice,
    typer.Option(help="In triton, serve the ONNX file, or an engine of the bundle."),
]
EngineOption = Annotated[
    Path | None,
    typer.Option(help="Serve this engine of several.", show_default="the only one"),
]
InstancesOption = Annotated[
    InstanceChoice,
    typer.Option(help="Where triton runs the model. auto is the GPU, where there is one."),
]
DelayOption = Annotated[
    int,
    typer.Option(
        "--queue-delay-us",
        help="In triton, let a request wait this many microseconds for others in its batch.",
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
    precision: PrecisionOption = ServedPrecision.FP32,
    batch_size: BatchOption = None,
    threshold: ThresholdOption = None,
    name: NameOption = None,
    backend: BackendOption = BackendChoice.ONNXRUNTIME,
    engine: EngineOption = None,
    instances: InstancesOption = InstanceChoice.AUTO,
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
        target=target.value,
        bundle=bundle,
        out=out,
        precision=Precision(precision.value),
        batch_size=batch_size,
        threshold=None if threshold is None else parse_threshold(threshold),
        triton=TritonOptions(
            name=name,
            backend=backend.value,
            engine=engine,
            instances=instances.value,
            queue_delay_us=queue_delay_us,
        ),
        force=force,
    )
    result = write(request, StderrConsole())
    if json is not None:
        write_summary(json, result.to_dict())
    if str(json) != "-":
        print(result.folder)
