"""`cdul-edge verify`: does this bundle, here, say what PyTorch said?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cdul_edge.cli.options import verification as options
from cdul_edge.cli.options.devices import (
    BatchesOption,
    DevicesOption,
    PrecisionsOption,
    parse_counts,
)
from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.tables.verify import show_report
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge_runtime.backends import Backend
    from cdul_edge_runtime.verify.verification import VerifyReport


def verify(
    bundle: options.BundleFolder,
    precision: PrecisionsOption = "auto",
    backend: DevicesOption = "auto",
    images: options.Images = None,
    truth: options.Truth = None,
    run: options.Run = None,
    threads: options.Threads = None,
    repeats: options.Repeats = 200,
    batches: BatchesOption = "1,8,16",
    strict: options.Strict = False,
    json: options.Json = None,
) -> None:
    """Compare a bundle with PyTorch's stored scores, here and without PyTorch, and time it.

    Exit code 1 when a limit is broken. Accuracy on --images is judged by its 95 % interval: a row
    is "unsure" where there are too few pictures to tell, which is no failure unless --strict is
    set. The report lands beside the bundle and replaces the last one.
    """
    from cdul_edge_runtime.host.console import StderrConsole
    from cdul_edge_runtime.verify import VerifyRequest
    from cdul_edge_runtime.verify import verify as verify_bundle
    from cdul_edge_runtime.verify.verification import default_report_path

    request = VerifyRequest(
        bundle=bundle,
        device=backend,
        precision=precision,
        images=images,
        truth=truth,
        threads=threads,
        batches=parse_counts(batches, "--batches"),
        repeats=repeats,
    )
    beside = _open_run(run, bundle) if run else None
    report = verify_bundle(request, StderrConsole(), beside=beside)
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
    except (OSError, CdulEdgeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        StderrConsole().warn(
            f"the report was not written to {path} ({reason}): name a place with --json"
        )


def _open_run(run: Path, bundle: Path) -> Backend:
    from cdul_edge_runtime.bundle.bundle import Bundle

    with extra_imports("train", "verify --run"):
        from cdul_edge.training.run_folder import load_run
        from cdul_edge_export.torch_backend import TorchBackend
    trained = load_run(run)
    backend = TorchBackend(trained.network, trained.preprocess, len(trained.classes))
    backend.check_fit(Bundle.load(bundle).manifest, str(run))
    return backend
