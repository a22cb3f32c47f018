"""Measure rows one after another, and keep each in the file as soon as it is there."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from time import monotonic

from benchmarks.gpu.machine import read_commit
from benchmarks.gpu.roots import child_environment
from benchmarks.peers.result_file import COMMAND, PACKAGES, MeasuredRow, read_peers
from benchmarks.peers.row import Measured, Row
from benchmarks.peers.rows import ROWS, find_rows, what_is_missing
from benchmarks.rows import load_average, run_child
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.host.machine import describe_machine, installed_versions

MEASURED, FAILED, NOT_INSTALLED = 0, 1, 3  # exit statuses
# No side may ask the network while it is timed: its own switches, where it has them.
_OFFLINE = {
    "YOLO_OFFLINE": "true",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
# The libraries' own way of waiting: what tests set would slow one side more than another.
_TEST_SETTINGS = ("OMP_WAIT_POLICY", "ONEDNN_MAX_CPU_ISA", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@dataclass(frozen=True)
class PeersRequest:
    """What to measure.

    Attributes:
        only: names of rows; none is every row.
        out: the result file; rows that are not measured now stay in it.
        limit_s: that a row may take.
        work: a folder that keeps exported networks for the next run; None keeps none.
    """

    out: Path
    only: tuple[str, ...] = ()
    rounds: int = 5
    threads: int = 2
    quick: bool = False
    limit_s: float = 120.0
    work: Path | None = None


def compare(request: PeersRequest) -> int:
    """Measure, write and tell; returns the exit status.

    Raises:
        CdulEdgeError: an unknown row, or an `out` that is no file of this benchmark.
    """
    rows, kept = find_rows(request.only), read_peers(request.out)
    order = tuple(row.name for row in ROWS)
    status, commit = MEASURED, read_commit()  # before the first row changes the checkout
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work = request.work or scratch
        for row in rows:
            print(f"== {row.name}: {row.title}", file=sys.stderr, flush=True)
            found = measure_row(row, request, work.absolute(), scratch, commit)
            kept = kept.with_row(found)
            kept.write(request.out, order)
            tell(found)
            if found.not_measured:
                status = max(status, FAILED) if not what_is_missing(row) else NOT_INSTALLED
    print(request.out)
    return status


def measure_row(
    row: Row, request: PeersRequest, work: Path, scratch: Path, commit: str
) -> MeasuredRow:
    """In a process of its own; what went wrong stands in the row."""
    reason, measured, out = what_is_missing(row), Measured(()), scratch / f"{row.name}.json"
    started, before = monotonic(), load_average()
    if not reason:
        try:
            if row.prepare is not None:
                _run_child(row, request, work, None)
            started, before = monotonic(), load_average()
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
        threads=request.threads,
        rounds=request.rounds,
        machine=describe_machine(),
        versions=installed_versions(*PACKAGES),
        load=(*before, *load_average()),
        seconds=None if reason else round(monotonic() - started, 1),
        comparisons=measured.comparisons,
        notes=measured.notes,
        not_measured=reason and f"not measured: {reason}",
    )


def tell(row: MeasuredRow) -> None:
    """A line for each comparison."""
    if row.not_measured:
        print(row.not_measured, file=sys.stderr)
    for one in row.comparisons:
        verdict = {True: "met", False: "NOT MET", None: "stated"}[one.met]
        wanted = "" if one.bar is None else f" {one.bar.of} {one.bar.kind} {one.bar.limit:g}"
        print(
            f"{one.work} [{one.side}]: {median(one.ours):.4g} {one.unit}, {one.peer} "
            f"{median(one.theirs):.4g} {one.unit}, {one.ratio:.3f}x ({verdict}{wanted})",
            flush=True,
        )


def _run_child(row: Row, request: PeersRequest, work: Path, out: Path | None) -> None:
    """Prepare the row, or measure it into `out`.

    Raises:
        CdulEdgeError: it failed, or was stopped.
    """
    command = [
        *("benchmarks.peers.child", row.name, "--work", str(work)),
        *("--rounds", str(request.rounds), "--threads", str(request.threads)),
        *(["--quick"] if request.quick else []),
        *(["--out", str(out)] if out is not None else []),
    ]
    environment = {**child_environment(), **_OFFLINE}
    # What the sides keep between runs is kept with the networks, and not in anybody's home.
    environment |= {"YOLO_CONFIG_DIR": str(work), "XDG_CACHE_HOME": str(work)}
    for name in _TEST_SETTINGS:
        environment.pop(name, None)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = str(request.threads)
    run_child(command, environment, request.limit_s, " (--limit allows more)")


def _command(row: Row, request: PeersRequest) -> str:
    words = [COMMAND, "--only", row.name, "--rounds", str(request.rounds)]
    words += ["--threads", str(request.threads), *(["--quick"] if request.quick else [])]
    return " ".join(words)
