"""`cdul-edge verify`: does this bundle, here, say what PyTorch said?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdul_edge.cli.options.devices import DevicesChoice, FilesChoice, parse_counts
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.verify_tables import show_report
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge_runtime.backends import Backend
    from cdul_edge_runtime.bundle.bundle import Bundle
    from cdul_edge_runtime.verify.verify import VerifyReport


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
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 also where pictures are too few to tell."),
    ] = False,
    json: Annotated[
        Path | None,
        typer.Option(help="Report as JSON; - is stdout.", show_default="BUNDLE-verify.json"),
    ] = None,
) -> None:
    """Compare a bundle with PyTorch's stored scores, here and without PyTorch, and time it.

    Exit code 1 when a limit is broken. Accuracy on --images is judged by its 95 % interval: a row
    is "unsure" where the pictures are too few to tell, which is no failure unless --strict is set.
    The report lands beside the bundle and replaces the last.
    """
    from cdul_edge_runtime.bench.bench import Effort
    from cdul_edge_runtime.bench.combinations import Combinations
    from cdul_edge_runtime.bundle.bundle import Bundle
    from cdul_edge_runtime.verify.verify import default_report_path, verify_bundle

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
    # The verdict first: a report that cannot be written must not cost it.
    show_report(report, result_console(to_stderr=str(json) == "-"))
    if json is not None:
        write_summary(json, report.to_dict())
    else:
        _write_beside(default_report_path(bundle), report)
    if not report.passed or (strict and report.verdict == "unsure"):
        raise typer.Exit(1)


def _write_beside(path: Path, report: VerifyReport) -> None:
    """Nobody named this place: where it cannot be written to, that is said and no failure."""
    from cdul_edge_runtime.host.console import StderrConsole

    try:
        write_summary(path, report.to_dict())
    except OSError as error:
        StderrConsole().warn(
            f"the report was not written to {path} ({error.strerror}): name a place with --json"
        )


def _read_pictures(bundle: Bundle, images: Path | None, truth: Path | None) -> tuple[Any, Any]:
    from cdul_edge_runtime.metrics.truth import read_truth
    from cdul_edge_runtime.pictures.images import find_images

    if images is None:
        return None, None
    pictures = find_images(images)
    if truth is None:
        return pictures, None
    labels = read_truth(truth).for_paths(pictures.paths, bundle.manifest.classes, pictures.root)
    return pictures, labels


def _open_run(run: Path, bundle: Bundle) -> Backend:
    with extra_imports("train", "verify --run"):
        from cdul_edge.training.run_folder import load_run
        from cdul_edge_export.torch_backend import TorchBackend
    trained = load_run(run)
    backend = TorchBackend(trained.network, trained.preprocess, len(trained.classes))
    backend.check_fit(bundle.manifest, str(run))
    return backend
