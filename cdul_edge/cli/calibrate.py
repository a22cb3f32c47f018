"""`cdul-edge calibrate`: from a bundle's FP32 file to FP16 and INT8 files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cdul_edge.cli.options import calibration as options
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.tables.speed import table
from cdul_edge.cli.output.tables.verify import show_change, show_percents, show_verdict
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from rich.console import Console

    from cdul_edge_calibration import CalibrateResult
    from cdul_edge_calibration.precisions import PrecisionOutcome


def calibrate(
    bundle: options.BundleFolder,
    images: options.Images = None,
    precision: options.Precisions = None,
    pictures: options.Pictures = 512,
    check_pictures: options.CheckPictures = 512,
    check_images: options.CheckImages = None,
    truth: options.Truth = None,
    method: options.Method = "minmax",
    seed: options.Seed = 0,
    max_map_drop: options.MaxMapDrop = 0.5,
    max_flip_rate: options.MaxFlipRate = 0.02,
    force: options.Force = False,
    strict: options.Strict = False,
    json: options.Json = None,
) -> None:
    """Make FP16 and INT8 files, measure what each costs, and keep those within the budget.

    model.int8.onnx is for TensorRT, model.int8-cpu.onnx for x86 CPUs. Where INT8 costs too much,
    the most sensitive layers stay in floating point. --precision bf16 measures what it costs to
    compute the FP32 file in bf16. The budget is held against 95 % intervals: a
    precision is refused (exit code 2) where it exceeds the budget beyond doubt, and "unsure" where
    there are too few pictures to tell.
    """
    with extra_imports("calibrate", "calibration"):
        from cdul_edge_calibration import CalibrateRequest
        from cdul_edge_calibration import calibrate as run
        from cdul_edge_calibration.request import REDUCED
    from cdul_edge_runtime.bundle.manifest import Precision
    from cdul_edge_runtime.host.console import StderrConsole

    request = CalibrateRequest(
        bundle=bundle,
        images=images,
        precisions=tuple(Precision(one.value) for one in precision) if precision else REDUCED,
        count=pictures,
        check_count=check_pictures,
        check_images=check_images,
        truth=truth,
        method=method,
        seed=seed,
        max_map_drop=max_map_drop,
        max_flip_rate=max_flip_rate,
        force=force,
    )
    result = run(request, StderrConsole())
    report_result(result, json)
    if strict and result.verdict == "unsure":
        raise typer.Exit(1)


def report_result(result: CalibrateResult, json: Path | None, *, to_stderr: bool = False) -> None:
    """Show what each precision costs; refused ones are an error at the end.

    Args:
        json: where a summary is written; with "-", or with `to_stderr`, stdout is not the table's.

    Raises:
        CdulEdgeError: a precision was refused.
    """
    if json is not None:
        write_summary(json, _summarize(result))
    console = result_console(to_stderr=to_stderr or str(json) == "-")
    first = result.outcomes[0].accuracy
    console.print(f"{result.bundle}: mAP on {first.pictures} pictures, truth: {first.truth}")
    _show_costs(result.outcomes, console)
    _show_files(result.outcomes, console)
    if result.refused:
        faults = (
            f"{o.precision.file_name} was not written: {o.reasons[0]}"
            if o.precision.has_file
            else f"{o.precision.shown} is not for use: {o.reasons[0]}"
            for o in result.refused
        )
        raise CdulEdgeError(
            f"{'; '.join(faults)}: calibrate on more pictures, try --method percentile, or widen "
            "the budget"
        )


def _show_costs(outcomes: tuple[PrecisionOutcome, ...], console: Console) -> None:
    costs = table("precision")
    for name in ("mAP %", "change", "95 % interval", "flips %", "95 % interval", "verdict"):
        costs.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        accuracy = outcome.accuracy
        costs.add_row(
            outcome.precision.shown,
            f"{accuracy.map:.2f}",
            f"{round(-accuracy.map_drop, 2) + 0.0:+.2f}",  # no -0.00
            show_change(accuracy.map_drop_interval),
            f"{100 * accuracy.flip_rate:.2f}",
            show_percents(accuracy.flip_rate_interval),
            show_verdict(outcome.verdict),
        )
    console.print(costs)


def _show_files(outcomes: tuple[PrecisionOutcome, ...], console: Console) -> None:
    files = table("precision")
    for name in ("largest error", "MiB", "in FP32"):
        files.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        files.add_row(
            outcome.precision.shown,
            f"{outcome.accuracy.max_error:.3f}",
            _show_size(outcome),
            f"{len(outcome.float_layers)} layers",
        )
    console.print()
    console.print(files)


def _show_size(outcome: PrecisionOutcome) -> str:
    if outcome.record is None:
        return "refused"
    return f"{outcome.record.bytes / 2**20:.1f}" if outcome.precision.has_file else "no file"


def _summarize(result: CalibrateResult) -> dict[str, object]:
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
            "reference_accuracy": asdict(outcome.cost.on_reference),
        }
        for outcome in result.outcomes
    ]
    return {
        "program": "cdul-edge",
        "stage": "calibrate",
        "bundle": str(result.bundle),
        "rows": rows,
    }
