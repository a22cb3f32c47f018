"""The command line of a benchmark made of rows."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.exit_status import exit_status
from benchmarks.measured_rows.result_file import Found
from benchmarks.measured_rows.run import RowsRequest, measure_rows
from benchmarks.measured_rows.words import seconds


def main(benchmark: Benchmark[Found], about: str | None) -> int:
    """Measure what the command line says; `about` stands in its help. Returns the exit status."""

    def measure() -> int:
        with tempfile.TemporaryDirectory() as scratch:
            return measure_rows(read_request(benchmark, Path(scratch), about=about))

    return exit_status(measure, "the rows that ended are kept")


def read_request(
    benchmark: Benchmark[Found],
    scratch: Path,
    words: list[str] | None = None,
    about: str | None = None,
) -> RowsRequest[Found]:
    """What the command line says; exported networks go to `scratch` where --work names nothing."""
    parser = argparse.ArgumentParser(prog=benchmark.command, description=about)
    names = ", ".join(row.name for row in benchmark.rows)
    parser.add_argument("--only", nargs="+", default=(), metavar="ROW", help=f"of {names}")
    benchmark.setting.add_options(parser)
    parser.add_argument("--out", type=Path, default=benchmark.file, help="the result file")
    parser.add_argument(
        "--limit", type=seconds, help="seconds that a row may take, and its preparation"
    )
    parser.add_argument(
        "--work", type=Path, default=scratch, help="keep exported networks here for the next run"
    )
    parser.set_defaults(rounds=benchmark.rounds, limit=benchmark.limit_s)
    given = parser.parse_args(words)
    if given.quick and given.out == benchmark.file:
        parser.error("--quick measures nothing worth keeping: name another file with --out")
    return RowsRequest(
        benchmark=benchmark,
        setting=benchmark.setting.read(given, given.work.absolute()),
        out=given.out,
        limit_s=given.limit,
        only=tuple(given.only),
    )
