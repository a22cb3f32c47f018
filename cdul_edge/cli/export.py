"""`cdul-edge export`: from a run to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.all_precisions import calibrate_and_build, find_obstacle
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import extra_imports
from cdul_edge_runtime.host.console import StderrConsole

THRESHOLDS_HELP = (
    "Thresholds of the bundle. run: as the run found them without labels. f1, precision=P or "
    "recall=R (such as recall=0.9): chosen on --images with --truth. rate=R: chosen on --images "
    "alone, so that each class is predicted for this share of them. Or a JSON file "
    "{class: threshold, or null for never}."
)

RunArgument = Annotated[Path, typer.Argument(help="Folder of a finished `cdul-edge train`.")]
OutOption = Annotated[Path, typer.Option(help="Write the bundle to this folder.")]
ThresholdsOption = Annotated[str, typer.Option(help=THRESHOLDS_HELP)]
ImagesOption = Annotated[
    Path | None, typer.Option(help="Choose thresholds on these pictures; see --thresholds.")
]
TruthOption = Annotated[
    Path | None,
    typer.Option(help="What the pictures of --images show: CSV, VOC folder, COCO JSON or NPZ."),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        help="Compare the graph with PyTorch on these pictures. Use it when the run's own pictures "
        "have moved.",
        show_default="the run's own",
    ),
]
ReferenceCountOption = Annotated[
    int, typer.Option(help="Ship this many of the reference pictures with the bundle.", min=1)
]
ParityLimitOption = Annotated[
    float,
    typer.Option(
        help="Refuse a graph whose scores differ from PyTorch's by more than this.", min=0
    ),
]
TrtOption = Annotated[
    bool,
    typer.Option("--trt", help="Also calibrate, and build engines as `cdul-edge build` does."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the bundle that --out holds.")]
JsonOption = Annotated[
    Path | None, typer.Option(help="Write a summary as JSON to this file; - is stdout.")
]


def export(
    run: RunArgument,
    out: OutOption,
    thresholds: ThresholdsOption = "run",
    images: ImagesOption = None,
    truth: TruthOption = None,
    reference: ReferenceOption = None,
    reference_count: ReferenceCountOption = 16,
    parity_limit: ParityLimitOption = 1e-4,
    trt: TrtOption = False,
    force: ForceOption = False,
    json: JsonOption = None,
) -> None:
    """Export a trained network to ONNX, compare it with PyTorch, and write a bundle.

    --trt runs `export`, `calibrate` and `build` in one: with TensorRT where it and a GPU are there,
    otherwise with TensorRT for RTX (the extra rtx), which builds for the GPUs of PCs and needs
    none. Without either it says so up front, makes the ONNX files all the same, and ends with exit
    code 2.
    """
    with extra_imports("train", "exporting"):
        from cdul_edge.front.export_run import ExportRunRequest, export_run
        from cdul_edge.training.run_folder import read_run_pictures

    request = ExportRunRequest(
        run=run,
        out=out,
        thresholds=thresholds,
        images=images,
        truth=truth,
        reference=reference,
        reference_count=reference_count,
        parity_limit=parity_limit,
        force=force,
    )
    obstacle = find_obstacle() if trt else None
    bundle = export_run(request, StderrConsole()).bundle
    if json is not None:
        write_summary(json, {"bundle": str(bundle.folder), **bundle.manifest.to_dict()})
    if trt:
        calibrate_and_build(bundle, read_run_pictures(run), obstacle)
