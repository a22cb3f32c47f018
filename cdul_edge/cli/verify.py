"""`cdul-edge verify`: does this bundle, here, say what PyTorch said?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cdul_edge.cli.devices import DevicesChoice, FilesChoice, parse_counts, say_unavailable
from cdul_edge.cli.summary import write_summary
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge_runtime.backends import Backend
    from cdul_edge_runtime.bundle import Bundle
    from cdul_edge_runtime.verify import VerifyReport
    from cdul_edge_runtime.verify_row import VerifyRow


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    precision: Annotated[FilesChoice, typer.Option(help="Which file.")] = FilesChoice.AUTO,
    backend: Annotated[DevicesChoice, typer.Option(help="What runs it.")] = DevicesChoice.AUTO,
    images: Annotated[
        Path | None, typer.Option(help="Pictures to classify as well: folder, list or CSV.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="What they show: CSV, VOC folder, COCO JSON or NPZ.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Run folder: also run its network in PyTorch.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads.", min=1, show_default="all cores")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Timed calls.", min=1)] = 200,
    batches: Annotated[str, typer.Option(help="Pictures at once, for the throughput.")] = "1,8,16",
    json: Annotated[
        Path | None,
        typer.Option(help="Report as JSON; - is stdout.", show_default="BUNDLE-verify.json"),
    ] = None,
) -> None:
    """Compare a bundle with PyTorch's stored scores, here and without PyTorch, and time it.

    Exit code 1 when a limit is broken. The report lands beside the bundle and replaces the last.
    """
    from cdul_edge_runtime.bench import Effort
    from cdul_edge_runtime.bundle import Bundle
    from cdul_edge_runtime.combinations import Combinations
    from cdul_edge_runtime.verify import default_report_path, verify_bundle

    if truth and not images:
        raise CdulEdgeError("--truth needs --images: the pictures that it describes")
    loaded = Bundle.load(bundle)
    pictures, labels = _read_pictures(loaded, images, truth)
    report = verify_bundle(
        loaded,
        Combinations.parse(backend.value, precision.value),
        pictures=pictures,
        truth=labels,
        threads=threads,
        beside=_open_run(run, loaded) if run else None,
        batches=parse_counts(batches, "--batches"),
        effort=Effort(repeats),
    )
    write_summary(json or default_report_path(bundle), report.to_dict())
    _show(report, Console(stderr=str(json) == "-", highlight=False))
    if not report.passed:
        raise typer.Exit(1)


def _read_pictures(bundle: Bundle, images: Path | None, truth: Path | None) -> tuple[Any, Any]:
    from cdul_edge_runtime.images import find_images
    from cdul_edge_runtime.truth import read_truth

    if images is None:
        return None, None
    pictures = find_images(images)
    if truth is None:
        return pictures, None
    return pictures, read_truth(truth).for_paths(pictures.paths, bundle.manifest.classes)


def _open_run(run: Path, bundle: Bundle) -> Backend:
    with extra_imports("train", "verify --run"):
        from cdul_edge.training.run import load_run
        from cdul_edge_export.torch_backend import TorchBackend
    trained = load_run(run)
    backend = TorchBackend(trained.network, trained.preprocess, len(trained.classes))
    backend.check_fit(bundle.manifest, str(run))
    return backend


def _show(report: VerifyReport, console: Console) -> None:
    table = Table(
        title=report.bundle, title_justify="left", box=None, pad_edge=False, collapse_padding=True
    )
    table.add_column("device", no_wrap=True)
    table.add_column("precision", no_wrap=True)
    figures = ["error", "flip %", *_picture_columns(report), "net ms", "frame ms", "img/s", "MiB"]
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row, with_pictures=bool(report.pictures)))
    console.print(table)
    _show_remarks(report, console)


def _picture_columns(report: VerifyReport) -> list[str]:
    return ["mAP", "lost"] if report.pictures else ["mAP ref"]


def _cells(row: VerifyRow, *, with_pictures: bool) -> list[str]:
    accuracy = [_number(row.map_reference)]
    flips = row.flip_rate
    if with_pictures:
        accuracy = [_number(row.pictures["map"]), _number(row.pictures.get("map_drop"))]
        flips = row.pictures["flip_rate"]
    times, most = ["-", "-"], "-"
    if row.speed:
        times = [_number(row.speed.latency[name].p50_ms) for name in ("network", "end_to_end")]
        most = f"{max(row.speed.throughput.values()):.0f}"
    verdict = "[green]ok[/]" if row.passed else "[red]broken[/]"
    errors = [f"{row.max_error:.2g}", f"{100 * flips:.2g}"]
    memory = "-" if row.peak_memory_mib is None else f"{row.peak_memory_mib:.0f}"
    return [row.device, row.precision, *errors, *accuracy, *times, most, memory, verdict]


def _show_remarks(report: VerifyReport, console: Console) -> None:
    if report.pictures:
        count, unreadable = report.pictures["count"], len(report.pictures["unreadable"])
        against = "FP32's scores" if report.pictures["truth"] != "given" else "the given truth"
        console.print(f"{count} pictures ({unreadable} unreadable), mAP against {against}")
    for row in report.rows:
        if row.accuracy_only:
            text = "slow emulation here: for its accuracy only, not timed"
            console.print(f"{row.device} {row.precision}: {text}", style="dim")
    say_unavailable(report.unavailable, console)
    for warning in report.warnings:
        console.print(warning, style="yellow", markup=False, soft_wrap=True)
    for row in report.rows:
        for check in row.checks:
            if not check.passed:
                figures = f"{check.value:.3g}, limit {check.limit:.3g}"
                line = f"broken: {row.device} {row.precision}: {check.name}: {figures}"
                console.print(line, style="red", markup=False, soft_wrap=True)
    if not report.passed:
        console.print("[red]verification failed[/]: do not use what is broken on this machine")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
