"""Measure rows one after another, and keep each in the file as soon as it is there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from typing import Generic

from benchmarks.gpu.machine import read_commit
from benchmarks.gpu.roots import ROOT, child_environment
from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.result_file import Found, MeasuredRow
from benchmarks.measured_rows.row import Row, Setting
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.host.machine import describe_machine, installed_versions

MEASURED, FAILED, NOT_INSTALLED = 0, 1, 3  # exit statuses


@dataclass(frozen=True)
class RowsRequest(Generic[Found]):
    """What to measure.

    Attributes:
        out: the result file; rows that are not measured now stay in it.
        limit_s: that a row may take, and its preparation.
        only: names of rows; none is every row.
    """

    benchmark: Benchmark[Found]
    setting: Setting
    out: Path
    limit_s: float
    only: tuple[str, ...] = ()


def measure_rows(request: RowsRequest[Found]) -> int:
    """Measure, write and tell; returns the exit status.

    Raises:
        CdulEdgeError: an unknown row, or an `out` that is no file of this benchmark.
    """
    benchmark = request.benchmark
    rows, kept = benchmark.find_rows(request.only), benchmark.read(request.out)
    status, commit = MEASURED, read_commit()  # before the first row changes the checkout
    for row in rows:
        print(f"== {row.name}: {row.title}", file=sys.stderr, flush=True)
        found = _measure_row(row, request, commit)
        kept = kept.with_row(found)
        benchmark.write(request.out, kept)
        if found.not_measured:
            print(found.not_measured, file=sys.stderr)
            status = max(status, NOT_INSTALLED if row.what_is_missing() else FAILED)
        for one in found.findings:
            print(one.told(), flush=True)
    print(request.out)
    return status


def _measure_row(row: Row, request: RowsRequest[Found], commit: str) -> MeasuredRow[Found]:
    """In a process of its own; what went wrong stands in the row."""
    benchmark, setting = request.benchmark, request.setting
    reason, measured = row.what_is_missing(), None
    started, before = monotonic(), _load()
    if not reason:
        try:
            if row.preparing:
                _run_child(row, request, None)
            started, before = monotonic(), _load()
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "measured.json"
                _run_child(row, request, out)
                measured = read_json(out)
        except CdulEdgeError as error:
            reason = str(error)
    facts: dict[str, object] = {
        "name": row.name,
        "title": row.title,
        "command": " ".join([benchmark.command, "--only", row.name, *setting.words()]),
        "measured": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit,
        "threads": setting.threads,
        "rounds": setting.rounds,
        "machine": describe_machine(),
        "versions": installed_versions(*benchmark.packages),
        "load": (*before, *_load()),
        "seconds": None if reason else round(monotonic() - started, 1),
        "not_measured": reason and f"not measured: {reason}",
    }
    return parse_record(benchmark.kept, {**facts, **(measured or {})})


def _run_child(row: Row, request: RowsRequest[Found], out: Path | None) -> None:
    """Prepare the row, or measure it into `out`.

    Raises:
        CdulEdgeError: it failed, or was stopped.
    """
    setting = request.setting
    command = [
        *(sys.executable, "-m", "benchmarks.measured_rows.child", request.benchmark.package),
        *(row.name, "--work", str(setting.work), *setting.words()),
        *(["--out", str(out)] if out is not None else []),
    ]
    limit_s = setting.allowed_s(request.limit_s)
    try:
        run = subprocess.run(
            command,
            cwd=ROOT,
            env=setting.environment(child_environment()),
            stdout=sys.stderr.fileno(),  # stdout is this program's own
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise CdulEdgeError(f"it was stopped after {limit_s:g} s (--limit allows more)") from error
    if run.returncode:
        raise CdulEdgeError(f"it ended with status {run.returncode}; what it said stands above")


def _load() -> tuple[float, ...]:
    try:
        return (round(os.getloadavg()[0], 2),)
    except (AttributeError, OSError):  # Windows has none
        return ()
