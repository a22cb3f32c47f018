"""Rows measured one by one in real processes, kept beside the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu.roots import ROOT, child_environment
from benchmarks.measured_rows.command import read_request
from benchmarks.measured_rows.run import measure_rows
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.measured_toys.rows import BENCHMARK, Toy


def measure(folder: Path, *words: str) -> int:
    """Measure into toys.json of the folder; returns the exit status."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    out = ("--out", str(folder / "toys.json"))
    return measure_rows(read_request(BENCHMARK, work, [*words, *out]))


def test_a_row_is_prepared_measured_told_and_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert measure(tmp_path, "--only", "steady", "--rounds", "3", "--quick") == 0
    row = BENCHMARK.read(tmp_path / "toys.json").rows["steady"]
    assert row.findings == (Toy("toy", 126),)
    assert (row.rounds, row.threads, row.notes, row.not_measured) == (3, 1, ("made up",), "")
    assert row.command == "python -m tests.fakes.measured_toys --only steady --rounds 3 --quick"
    told = capfd.readouterr()
    assert told.out == f"toy is 126\n{tmp_path / 'toys.json'}\n"
    assert "== steady: A steady row\n" in told.err
    assert "not on stdout\n" in told.err


def test_a_row_that_fails_hangs_or_cannot_run_says_so_and_costs_no_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # A limit that has passed before a process is there: no row can end within it.
    assert measure(tmp_path, "--only", "hangs", "--limit", "0.001") == 1
    assert measure(tmp_path, "--only", "steady", "fails") == 1
    assert measure(tmp_path, "--only", "needs", "elsewhere") == 3
    rows = BENCHMARK.read(tmp_path / "toys.json").rows
    assert {name: row.not_measured for name, row in rows.items()} == {
        "steady": "",
        "fails": "not measured: it ended with status 1; what it said stands above",
        "hangs": "not measured: it was stopped after 0.001 s (--limit allows more)",
        "needs": "not measured: no-such-peer is not installed (pip install no-such-peer)",
        "elsewhere": "not measured: no camera here",
    }
    told = capfd.readouterr().err
    assert "ValueError: no such toy" in told
    assert "not measured: no camera here" in told


def test_an_unknown_row_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="'speed': expected steady, fails, hangs"):
        measure(tmp_path, "--only", "speed")
    assert not (tmp_path / "toys.json").exists()


def test_a_file_of_another_kind_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "toys.json"
    path.write_text('{"benchmark": "study"}')
    with pytest.raises(CdulEdgeError, match="is not a file of"):
        measure(tmp_path)
    assert path.read_text() == '{"benchmark": "study"}'


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals")
@pytest.mark.parametrize("row", ["ctrl-c", "sigterm"])
def test_an_interruption_ends_the_row_and_keeps_those_before_it(tmp_path: Path, row: str) -> None:
    assert measure(tmp_path, "--only", "steady") == 0
    out = tmp_path / "toys.json"
    command = [sys.executable, "-m", "tests.fakes.measured_toys", "--only", row, "--out", str(out)]
    run = subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True, text=True)
    assert run.returncode == 130
    assert "interrupted: the rows that ended are kept" in run.stderr
    assert list(BENCHMARK.read(out).rows) == ["steady"]


def test_what_cannot_start_is_one_line_and_status_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fakes.measured_toys", "--only", "speed"]
    run = subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert "error: no row is called 'speed': expected steady" in run.stderr
    assert "Traceback" not in run.stderr
