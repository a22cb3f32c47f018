"""Result files of rows, and what stays in them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.result_file import Finding, RowsFile
from benchmarks.peers.row import Bar, Comparison, PeersRow
from benchmarks.peers.rows import BENCHMARK as PEERS
from benchmarks.streams.rows import BENCHMARK as STREAMS
from benchmarks.tables.markdown import RESULTS
from cdul_edge_runtime.errors import CdulEdgeError

FOUND = Comparison("frame", "a frame", "a script", "ms", (1, 2), (2, 2), Bar("at most", 1.0))
ROW = PeersRow(
    name="overhead", title="First", command="python -m benchmarks.peers --only overhead",
    measured="2026-01-02T03:04:05+00:00", commit="abc", threads=2, rounds=2,
    machine={"cpu": "a CPU"}, versions={"numpy": "2.0"}, load=(0.1, 0.2), seconds=3.0,
    comparisons=(FOUND,),
)  # fmt: skip
LATER = replace(ROW, name="predict", measured="2026-01-03T00:00:00+00:00", commit="def")
GONE = replace(ROW, name="no longer there")
FAILED = replace(ROW, comparisons=(), not_measured="not measured: cv2 is not installed")


def test_a_file_comes_back_as_it_was_and_stands_like_the_other_result_files(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    kept = RowsFile[Comparison]().with_row(GONE).with_row(LATER).with_row(ROW)
    PEERS.write(path, kept)
    assert PEERS.read(path) == kept
    content = json.loads(path.read_text())
    assert {"command", "machine", "versions", "figures"} <= set(content)
    assert list(content["figures"]["rows"]) == ["overhead", "predict", "no longer there"]
    assert content["commit"] == "def"  # of the row that was measured last
    assert content["figures"]["rows"]["overhead"]["comparisons"][0]["ratio"] == 0.75


def test_a_row_is_replaced_and_the_others_stay() -> None:
    kept = RowsFile({"overhead": ROW, "predict": LATER})
    again = replace(ROW, commit="fed")
    assert kept.with_row(again).rows == {"overhead": again, "predict": LATER}


def test_what_was_measured_is_not_lost_where_a_row_fails_later() -> None:
    kept = RowsFile({"overhead": ROW})
    assert kept.with_row(FAILED) == kept
    assert RowsFile[Comparison]().with_row(FAILED).rows == {"overhead": FAILED}
    assert RowsFile({"overhead": FAILED}).with_row(ROW).rows == {"overhead": ROW}


def test_a_file_of_another_kind_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    for text, told in (('{"benchmark": "streams"}', "is not a file of"),
                       ("[]", "is not a file of"),
                       ('{"benchmark": "peers", "figures": 3}', "figures.rows is not an object"),
                       ('{"benchmark": "peers", "figures": {"rows": {"a": 3}}}',
                        "damaged .figures.rows.a is not an object.")):  # fmt: skip
        path = tmp_path / "other.json"
        path.write_text(text)
        with pytest.raises(CdulEdgeError, match=told):
            PEERS.read(path)


@pytest.mark.parametrize("benchmark", [PEERS, STREAMS], ids=lambda one: one.name)
def test_every_row_of_a_committed_file_can_be_measured_again(
    benchmark: Benchmark[Finding], tmp_path: Path
) -> None:
    before = benchmark.read(benchmark.file)
    assert benchmark.file == RESULTS / f"{benchmark.name}.json"
    assert set(before.rows) <= {row.name for row in benchmark.rows}
    assert all(row.findings for row in before.rows.values() if not row.not_measured)
    benchmark.write(tmp_path / "again.json", before)
    assert benchmark.read(tmp_path / "again.json") == before
