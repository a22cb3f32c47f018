"""`cdul-edge calibrate`: from a bundle's FP32 file to FP16 and INT8 files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.speed_tables import table
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.verify_tables import VERDICTS, show_change, show_percents
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge_calibration.precisions import Outcome
    from cdul_edge_runtime.bundle.bundle import Bundle


class ReducedChoice(str, Enum):
    """A precision that calibration makes."""

    FP16 = "fp16"
    INT8 = "int8"
    INT8_CPU = "int8-cpu"


class MethodChoice(str, Enum):
    """How the range of an activation is taken."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Unlabelled pictures: folder, list or CSV.",
            show_default="the training pictures, where they still lie",
        ),
    ] = None,
    precision: Annotated[
        list[ReducedChoice] | None,
        typer.Option(help="Which to make; may be repeated.", show_default="all three"),
    ] = None,
    pictures: Annotated[int, typer.Option(help="Calibration pictures.", min=1)] = 512,
    check_pictures: Annotated[
        int, typer.Option(help="Pictures to measure accuracy on.", min=1)
    ] = 512,
    check_images: Annotated[
        Path | None,
        typer.Option(help="Where those come from.", show_default="others of --images"),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="What the pictures to check on show: CSV, VOC folder, COCO JSON or NPZ.",
            show_default="the FP32 scores",
        ),
    ] = None,
    method: Annotated[
        MethodChoice, typer.Option(help="Ranges: all values, or 99.999 % of them.")
    ] = MethodChoice.MINMAX,
    seed: Annotated[int, typer.Option(help="Of the choice of pictures.", min=0)] = 0,
    max_map_drop: Annotated[
        float, typer.Option(help="Points of mAP that a precision may lose.", min=0)
    ] = 0.5,
    max_flip_rate: Annotated[
        float, typer.Option(help="Share of decisions that may change.", min=0, max=1)
    ] = 0.02,
    force: Annotated[
        bool, typer.Option("--force", help="Replace, and write what breaks the budget.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 where pictures are too few to tell."),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Summary as JSON; - is stdout.")] = None,
) -> None:
    """Make FP16 and INT8 files, measure what each costs, and keep those within the budget.

    model.int8.onnx is for TensorRT, model.int8-cpu.onnx for x86 CPUs. Where INT8 costs too much,
    the layers that suffer most stay in floating point. The budget is held against 95 % intervals: a
    precision is refused (exit code 2) where it exceeds the budget beyond doubt, and "unsure" where
    the pictures are too few to tell.
    """
    with extra_imports("calibrate", "calibration"):
        from cdul_edge_calibration.calibrate import calibrate_bundle
        from cdul_edge_calibration.data.ranges import Method
        from cdul_edge_calibration.settings import REDUCED, CalibrationSettings, Check
    from cdul_edge_runtime.bundle.bundle import Bundle
    from cdul_edge_runtime.bundle.manifest import Precision
    from cdul_edge_runtime.metrics.truth import read_truth
    from cdul_edge_runtime.pictures.images import find_images

    settings = CalibrationSettings(
        precisions=tuple(Precision(p.value) for p in precision) if precision else REDUCED,
        count=pictures,
        check_count=check_pictures,
        method=Method(method.value),
        seed=seed,
        max_map_drop=max_map_drop,
        max_flip_rate=max_flip_rate,
        force=force,
    )
    check = Check(
        pictures=find_images(check_images) if check_images else None,
        truth=read_truth(truth) if truth else None,
        truth_name=str(truth),
    )
    loaded = Bundle.load(bundle)
    pool = find_images(images or training_pictures(loaded))
    outcomes = calibrate_bundle(loaded, pool, settings, check=check)
    report_outcomes(loaded, outcomes, json)
    if strict and any(outcome.verdict == "unsure" for outcome in outcomes):
        raise typer.Exit(1)


def training_pictures(bundle: Bundle) -> Path:
    """The folder of the training pictures, as the bundle remembers it.

    Raises:
        CdulEdgeError: it is not on this machine.
    """
    root = bundle.manifest.provenance.get("pictures_root")
    if root is None or not Path(root).is_dir():
        where = f"{root}, which is not on this machine" if root else "a place that it does not know"
        raise CdulEdgeError(
            f"{bundle.folder} was trained on pictures in {where}: name a folder of pictures of "
            "the same kind with --images"
        )
    return Path(root)


def report_outcomes(
    bundle: Bundle, outcomes: tuple[Outcome, ...], json: Path | None, *, to_stderr: bool = False
) -> None:
    """Show what each precision costs; refused ones are an error at the end.

    Args:
        json: where a summary is written; with "-", or with `to_stderr`, stdout is not the table's.

    Raises:
        CdulEdgeError: a precision was refused.
    """
    if json is not None:
        write_summary(json, _summarize(bundle, outcomes))
    console = result_console(to_stderr=to_stderr or str(json) == "-")
    first = outcomes[0].accuracy
    title = f"{bundle.folder}: mAP on {first.pictures} pictures, truth: {first.truth}"
    console.print(title)
    _show_costs(outcomes, console)
    _show_files(outcomes, console)
    refused = [outcome for outcome in outcomes if outcome.record is None]
    if refused:
        raise CdulEdgeError(
            "; ".join(f"{o.precision.file_name} was not written: {o.reasons[0]}" for o in refused)
            + ": calibrate on more pictures, try --method percentile, or widen the budget"
        )


def _show_costs(outcomes: tuple[Outcome, ...], console: Console) -> None:
    costs = table("precision")
    for name in ("mAP %", "change", "95 % interval", "flips %", "95 % interval", "verdict"):
        costs.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        accuracy = outcome.accuracy
        costs.add_row(
            outcome.precision.value,
            f"{accuracy.map:.2f}",
            f"{round(-accuracy.map_drop, 2) + 0.0:+.2f}",  # no -0.00
            show_change(accuracy.map_drop_interval),
            f"{100 * accuracy.flip_rate:.2f}",
            show_percents(accuracy.flip_rate_interval),
            VERDICTS[outcome.verdict],
        )
    console.print(costs)


def _show_files(outcomes: tuple[Outcome, ...], console: Console) -> None:
    files = table("precision")
    for name in ("largest error", "MiB", "in FP32"):
        files.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        files.add_row(
            outcome.precision.value,
            f"{outcome.accuracy.max_error:.3f}",
            f"{outcome.record.bytes / 2**20:.1f}" if outcome.record else "refused",
            f"{len(outcome.float_layers)} layers",
        )
    console.print()
    console.print(files)


def _summarize(bundle: Bundle, outcomes: tuple[Outcome, ...]) -> dict[str, Any]:
    from dataclasses import asdict

    rows = [
        {
            "precision": outcome.precision.value,
            "written": outcome.record is not None,
            "verdict": outcome.verdict,
            "broken": list(outcome.reasons) if outcome.verdict == "broken" else [],
            "unsure": list(outcome.reasons) if outcome.verdict == "unsure" else [],
            "float_layers": list(outcome.float_layers),
            "accuracy": asdict(outcome.accuracy),
        }
        for outcome in outcomes
    ]
    return {
        "program": "cdul-edge",
        "stage": "calibrate",
        "bundle": str(bundle.folder),
        "rows": rows,
    }
