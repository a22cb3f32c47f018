"""`cdul-edge verify`: does this bundle, here, say what PyTorch said?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdul_edge.cli.summary import write_summary
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from cdul_edge_runtime.verify import VerifyReport


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    images: Annotated[
        Path | None, typer.Option(help="Pictures to classify as well: folder, list or CSV.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="What they show: CSV, VOC folder, COCO JSON or NPZ.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads.", min=1, show_default="all cores")
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(help="Report as JSON; - is stdout.", show_default="BUNDLE-verify.json"),
    ] = None,
) -> None:
    """Compare a bundle with PyTorch's stored scores, here and without PyTorch, and time it.

    Exit code 1 when a limit is broken. The report lands beside the bundle and replaces the last.
    """
    from cdul_edge_runtime.bundle import Bundle
    from cdul_edge_runtime.classifier import Classifier
    from cdul_edge_runtime.images import find_images
    from cdul_edge_runtime.truth import read_truth
    from cdul_edge_runtime.verify import default_report_path, verify_bundle

    if truth and not images:
        raise CdulEdgeError("--truth needs --images: the pictures that it describes")
    loaded = Bundle.load(bundle)
    pictures = find_images(images) if images else None
    labels = None
    if pictures and truth:
        labels = read_truth(truth).for_paths(pictures.paths, loaded.manifest.classes)
    with Classifier.load(bundle, threads=threads) as classifier:
        report = verify_bundle(loaded, classifier, pictures=pictures, truth=labels)
    write_summary(json or default_report_path(bundle), report.to_dict())
    _show(report, to_stderr=str(json) == "-")
    if not report.passed:
        raise typer.Exit(1)


def _show(report: VerifyReport, *, to_stderr: bool) -> None:
    console = Console(stderr=to_stderr, highlight=False)
    table = Table(title=f"{report.bundle} on {report.backend}", title_justify="left")
    for name, justify in (("check", "left"), ("value", "right"), ("limit", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for check in report.checks:
        verdict = "[green]ok[/]" if check.passed else "[red]broken[/]"
        table.add_row(check.name, f"{check.value:.2g}", f"{check.limit:.2g}", verdict)
    for name, value in _figures(report):
        table.add_row(name, value, "", "")
    console.print(table)
    if not report.passed:
        console.print("[red]verification failed[/]: do not use this bundle on this machine")


def _figures(report: VerifyReport) -> list[tuple[str, str]]:
    rows = [
        ("mean score difference to PyTorch", f"{report.mean_error:.2g}"),
        ("worst reference picture", report.worst_picture),
        ("decisions on a threshold that differ", str(report.borderline)),
    ]
    if report.map_reference is not None:
        rows.append(("mAP against PyTorch's decisions, percent", f"{report.map_reference:.2f}"))
    for name, value in report.latency.items():
        times = f"{value.p50_ms:.2f} / {value.p95_ms:.2f} / {value.p99_ms:.2f}"
        rows.append((f"{name.replace('_', ' ')} p50 / p95 / p99, ms", times))
    if report.peak_memory_mib is not None:
        rows.append(("peak memory, MiB", f"{report.peak_memory_mib:.0f}"))
    if report.pictures:
        count, unreadable = report.pictures["count"], len(report.pictures["unreadable"])
        rows.append(("pictures (unreadable)", f"{count} ({unreadable})"))
        metrics = report.pictures.get("metrics", {})
        for name in ("mAP", "CF1", "OF1", "Hamming") if metrics else ():
            figure = metrics[name.lower()]
            rows.append((f"{name} on them, percent", "-" if figure is None else f"{figure:.2f}"))
    return rows
