from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge_runtime.pictures.resizer import resizer_name


def bench(*words: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, words), "--repeats", "3"])


def test_one_row_a_number_of_threads_on_stdout_as_json_or_as_a_table(bundle: Path) -> None:
    result = bench(bundle, "--threads", "1,2", "--batches", "1,2", "--json", "-")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["stage"] == "bench"
    assert report["resizer"] == resizer_name()
    assert [row["threads"] for row in report["rows"]] == [1, 2]
    for row in report["rows"]:
        assert (row["device"], row["precision"]) == ("cpu", "fp32")
        assert set(row["throughput"]) == {"1", "2"}
        assert row["latency"]["network"]["repeats"] == 3
    shown = bench(bundle, "--threads", "1,2", "--batches", "1,2,100,1000").stdout.splitlines()
    tables = [line for line in shown if not line.startswith(("/", "jetson", "gpu", "cpu g", "nv"))]
    assert max(map(len, tables)) <= 80
    assert f"resized by {resizer_name()}" in shown
    words = [line.split() for line in tables]
    names = ["device", "precision", "threads"]
    assert [*names, *(2 * ["p50", "ms", "p95", "ms", "p99", "ms"])] in words
    assert [*names, "1", "2", "100", "1000", "MiB", "MiB"] in words
    assert sum(line[:3] == ["cpu", "fp32", "2"] for line in words) == 2
    assert not any("…" in line for line in shown)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batches", "0"], "--batches 0: expected whole numbers from 1"),
        (["--threads", "1,,2"], "--threads 1,,2: expected whole numbers from 1"),
        (["--device", "tensorrt"], "tensorrt"),
        (["--precision", "fp16"], "fp16"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    bundle: Path, words: list[str], message: str
) -> None:
    result = bench(bundle, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
