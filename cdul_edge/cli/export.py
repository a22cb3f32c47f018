"""`cdul-edge export`: from a run to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cdul_edge.cli.all_precisions import calibrate_and_build, find_obstacle
from cdul_edge.cli.summary import write_summary
from cdul_edge.cli.threshold_option import say_never
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge.training.run_folder import TrainedRun
    from cdul_edge_calibration.thresholds import ThresholdRule
    from cdul_edge_runtime.bundle.bundle import Bundle

THRESHOLDS_HELP = (
    "run: as the run found them without labels; f1, precision=P or recall=R (such as recall=0.9): "
    "chosen on --images with --truth; rate=R: on --images alone; or a JSON file {class: threshold, "
    "or null for never}."
)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished `cdul-edge train`.")],
    out: Annotated[Path, typer.Option(help="Bundle folder to make.")],
    thresholds: Annotated[str, typer.Option(help=THRESHOLDS_HELP)] = "run",
    images: Annotated[
        Path | None, typer.Option(help="Labelled pictures to choose thresholds on.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="What they show: CSV, VOC folder, COCO JSON or NPZ.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Pictures to compare with PyTorch on.", show_default="the run's own"),
    ] = None,
    reference_count: Annotated[
        int, typer.Option(help="How many of them travel with the bundle.", min=1)
    ] = 16,
    parity_limit: Annotated[
        float, typer.Option(help="Largest score difference to PyTorch.", min=0)
    ] = 1e-4,
    trt: Annotated[
        bool, typer.Option("--trt", help="Also calibrate, and build TensorRT engines here.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace --out.")] = False,
    json: Annotated[Path | None, typer.Option(help="Summary as JSON; - is stdout.")] = None,
) -> None:
    """Export a trained network to ONNX, compare it with PyTorch, and write a bundle.

    --trt is `export`, `calibrate` and `build` in one, on a machine that has a GPU and TensorRT.
    Without them it says so at once, makes the ONNX files all the same, and ends with exit code 2.
    """
    with extra_imports("train", "exporting"):
        from cdul_edge.training.run_folder import load_run
        from cdul_edge_export.onnx_export import export_bundle
        from cdul_edge_export.reference import choose_reference
    from cdul_edge_runtime.host.files import refuse_existing
    from cdul_edge_runtime.pictures.images import find_images

    refuse_existing(out, force=force)
    obstacle = find_obstacle() if trt else None
    trained = load_run(run)
    pictures = find_images(reference) if reference else trained.pictures
    values, origin = _thresholds(trained, thresholds, images, truth)
    inputs, names = choose_reference(pictures, trained.preprocess, reference_count)
    bundle = export_bundle(
        trained.network,
        out,
        classes=trained.classes,
        preprocess=trained.preprocess,
        thresholds=values,
        reference_inputs=inputs,
        reference_names=names,
        provenance={
            "run": trained.provenance,
            "thresholds": origin,
            "pictures_root": str(trained.pictures.root),
        },
        parity_limit=parity_limit,
        force=force,
    )
    _report(bundle, json)
    if trt:
        calibrate_and_build(bundle, trained.pictures, obstacle)


def _thresholds(
    trained: TrainedRun, wanted: str, images: Path | None, truth: Path | None
) -> tuple[Any, dict[str, Any]]:
    from cdul_edge_calibration.thresholds import ThresholdRule
    from cdul_edge_runtime.bundle.thresholds import read_thresholds

    rule = ThresholdRule.parse(wanted) if ThresholdRule.is_meant(wanted) else None
    if bool(images) != bool(rule) or bool(truth) != bool(rule and rule.needs_truth):
        raise CdulEdgeError(
            "--images and --truth go together, and with --thresholds f1, precision=P or recall=R "
            f"(rate=R: --images alone): got --thresholds {wanted}, --images {images}, "
            f"--truth {truth}"
        )
    if rule and images:
        values, count = _chosen_thresholds(trained, rule, images, truth)
        origin = {"rule": wanted, "pictures": count}
        return values, {**origin, "truth": str(truth)} if truth else origin
    if wanted == "run":
        return trained.thresholds, {"rule": "run"}
    return read_thresholds(Path(wanted), trained.classes), {"rule": "file", "file": wanted}


def _chosen_thresholds(
    trained: TrainedRun, rule: ThresholdRule, images: Path, truth: Path | None
) -> tuple[Any, int]:
    """(C,) thresholds, and on how many pictures they were chosen."""
    from cdul_edge_calibration.thresholds import choose_thresholds
    from cdul_edge_export.deploy import score_pictures
    from cdul_edge_runtime.metrics.truth import read_truth
    from cdul_edge_runtime.pictures.images import find_images

    table = read_truth(truth) if truth else None
    scores, paths, unreadable = score_pictures(
        trained.network, trained.preprocess, find_images(images)
    )
    labels = table.for_paths(paths, trained.classes) if table else None
    values = choose_thresholds(scores, labels, rule)
    talk = Console(stderr=True, soft_wrap=True)
    for error in unreadable:
        talk.print(f"skipped {error}", markup=False, highlight=False)
    say_never(values, trained.classes)
    return values, len(paths)


def _report(bundle: Bundle, json: Path | None) -> None:
    manifest, graph = bundle.manifest, bundle.manifest.graph
    size_mib = manifest.files[bundle.model_path().name].bytes / 2**20
    talk = Console(stderr=True, soft_wrap=True, highlight=False)
    talk.print(
        f"{bundle.folder}: {len(manifest.classes)} classes, "
        f"{manifest.preprocess.width_px}x{manifest.preprocess.height_px} px, {size_mib:.1f} MiB, "
        f"opset {graph.opset}; differs from PyTorch by at most {manifest.parity.max_error:.1g} "
        f"(limit {manifest.parity.limit:.1g})",
        markup=False,
    )
    if graph.newer_operators:
        talk.print(
            f"opset {graph.opset} and not 17, because of {', '.join(graph.newer_operators)}: "
            "TensorRT before 10 cannot read it",
            style="yellow",
        )
    summary = {"bundle": str(bundle.folder), **manifest.to_dict()}
    if json is not None:
        write_summary(json, summary)
