"""Measure rows one after another, and keep each in the file as soon as it is there."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.gpu.machine import read_commit
from benchmarks.gpu.roots import child_environment
from benchmarks.rows import load_average, run_child
from benchmarks.streams.result_file import COMMAND, PACKAGES, MeasuredRow, read_streams
from benchmarks.streams.row import Measured, Row
from benchmarks.streams.rows import ROWS, find_rows, what_is_missing
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.host.machine import describe_machine, installed_versions

MEASURED, FAILED, NOT_INSTALLED = 0, 1, 3  # exit statuses


@dataclass(frozen=True)
class StreamsRequest:
    """What to measure.

    Attributes:
        only: names of rows; none is every row.
        out: the result file; rows that are not measured now stay in it.
        soak_s: length of the row "soak".
        work: a folder that keeps exported networks for the next run; None keeps none.
    """

    out: Path
    only: tuple[str, ...] = ()
    rounds: int = 3
    soak_s: float = 1200.0
    quick: bool = False
    work: Path | None = None


def measure(request: StreamsRequest) -> int:
    """Measure, write and tell; returns the exit status.

    Raises:
        CdulEdgeError: an unknown row, or an `out` that is no file of this benchmark.
    """
    rows, kept = find_rows(request.only), read_streams(request.out)
    order = tuple(row.name for row in ROWS)
    status, commit = MEASURED, read_commit()  # before the first row changes the checkout
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work = (request.work or scratch).absolute()
        for row in rows:
            print(f"== {row.name}: {row.title}", file=sys.stderr, flush=True)
            found = _measure_row(row, request, work, scratch, commit)
            kept = kept.with_row(found)
            kept.write(request.out, order)
            tell(found)
            if found.not_measured:
                status = max(status, NOT_INSTALLED if what_is_missing(row) else FAILED)
    print(request.out)
    return status


def _measure_row(
    row: Row, request: StreamsRequest, work: Path, scratch: Path, commit: str
) -> MeasuredRow:
    """In a process of its own; what went wrong stands in the row."""
    reason, measured, out = what_is_missing(row), Measured(()), scratch / f"{row.name}.json"
    before = load_average()
    if not reason:
        try:
            if row.prepare is not None:
                _run_child(row, request, work, None)
            before = load_average()
            _run_child(row, request, work, out)
            measured = parse_record(Measured, read_json(out))
        except CdulEdgeError as error:
            reason = str(error)
    return MeasuredRow(
        name=row.name,
        title=row.title,
        command=_command(row, request),
        measured=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        commit=commit,
        machine=describe_machine(),
        versions=installed_versions(*PACKAGES),
        load=(*before, *load_average()),
        figures=measured.figures,
        notes=measured.notes,
        not_measured=reason and f"not measured: {reason}",
    )


def tell(row: MeasuredRow) -> None:
    """A line for each figure."""
    if row.not_measured:
        print(row.not_measured, file=sys.stderr)
    for one in row.figures:
        verdict = {True: "met", False: "NOT MET", None: "stated"}[one.met]
        wanted = "" if one.bar is None else f", wanted {one.bar.kind} {one.bar.limit:g}"
        print(f"{one.what}: {one.median:.4g} {one.unit} ({verdict}{wanted})", flush=True)


def _run_child(row: Row, request: StreamsRequest, work: Path, out: Path | None) -> None:
    """Prepare the row, or measure it into `out`.

    Raises:
        CdulEdgeError: it failed, or was stopped.
    """
    command = [
        *("benchmarks.streams.child", row.name, "--work", str(work)),
        *("--rounds", str(request.rounds), "--soak", f"{request.soak_s:g}"),
        *(["--quick"] if request.quick else []),
        *(["--out", str(out)] if out is not None else []),
    ]
    environment = child_environment()
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):  # as a user would run it
        environment.pop(name, None)
    run_child(command, environment, row.limit_s + request.soak_s)


def _command(row: Row, request: StreamsRequest) -> str:
    words = [COMMAND, "--only", row.name, "--rounds", str(request.rounds)]
    words += ["--soak", f"{request.soak_s:g}"] if row.name == "soak" else []
    return " ".join([*words, *(["--quick"] if request.quick else [])])
