"""Rows measured one by one, kept beside the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import compare as compare_module
from benchmarks.peers.__main__ import read_options
from benchmarks.peers.compare import PeersRequest, compare
from benchmarks.peers.result_file import MeasuredRow, PeersFile, read_peers
from benchmarks.peers.row import Bar, Comparison, Measured, Row, Setting
from benchmarks.peers.rows import what_is_missing
from cdul_edge_runtime.errors import CdulEdgeError

FOUND = Comparison("frame", "a frame", "a script", "ms", (1, 2), (2, 2), Bar("at most", 1.0))
ROW = MeasuredRow(
    name="first", title="First", command="python -m benchmarks.peers --only first",
    measured="2026-01-02T03:04:05+00:00", commit="abc", threads=2, rounds=2,
    machine={"cpu": "a CPU"}, versions={"numpy": "2.0"}, load=(0.1, 0.2), seconds=3.0,
    comparisons=(FOUND,),
)  # fmt: skip
LATER = replace(ROW, name="second", measured="2026-01-03T00:00:00+00:00", commit="def")
ORDER = ("first", "second")


def test_a_file_comes_back_as_it_was_and_stands_like_the_other_result_files(tmp_path: Path) -> None:
    path = tmp_path / "peers.json"
    kept = PeersFile().with_row(LATER).with_row(ROW)
    kept.write(path, ORDER)
    assert read_peers(path) == kept
    content = json.loads(path.read_text())
    assert {"command", "machine", "versions", "figures"} <= set(content)
    assert list(content["figures"]["rows"]) == ["first", "second"]
    assert content["commit"] == "def"  # of the row that was measured last


def test_a_row_is_replaced_and_the_others_stay() -> None:
    kept = PeersFile({"first": ROW, "second": LATER})
    again = replace(ROW, commit="fed")
    assert kept.with_row(again).rows == {"first": again, "second": LATER}


def test_what_was_measured_is_not_lost_where_a_peer_is_missing_now() -> None:
    kept = PeersFile({"first": ROW})
    failed = replace(ROW, comparisons=(), not_measured="not measured: cv2 is not installed")
    assert kept.with_row(failed) == kept
    assert PeersFile().with_row(failed).rows == {"first": failed}
    assert PeersFile({"first": failed}).with_row(ROW).rows == {"first": ROW}


def test_a_file_of_another_kind_is_not_overwritten(tmp_path: Path) -> None:
    for text, told in (('{"benchmark": "study"}', "is not a file of"), ("[]", "is not a file of"),
                       ('{"benchmark": "peers", "figures": 3}', "is damaged")):  # fmt: skip
        path = tmp_path / "other.json"
        path.write_text(text)
        with pytest.raises(CdulEdgeError, match=told):
            compare(PeersRequest(out=path))
        assert path.read_text() == text


def test_an_unknown_row_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="'speed': expected overhead, predict"):
        compare(PeersRequest(out=tmp_path / "peers.json", only=("speed",)))
    assert not (tmp_path / "peers.json").exists()


def never(setting: Setting) -> Measured:
    raise AssertionError("it is measured in a process of its own")


def test_a_peer_that_is_not_installed_is_said_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Row("second", "Second", {"no_such_peer": "no-such-peer", "numpy": "numpy"}, never)
    told = "no-such-peer is not installed (pip install no-such-peer)"
    assert what_is_missing(row) == told
    two = Row("third", "Third", {"no_such_peer": "no-such-peer", "nor_this": "nor-this"}, never)
    assert what_is_missing(two) == (
        "no-such-peer and nor-this are not installed (pip install no-such-peer nor-this)"
    )
    monkeypatch.setattr(compare_module, "find_rows", lambda names: (row,))
    path = tmp_path / "peers.json"
    PeersFile({"first": ROW}).write(path, ORDER)
    assert compare(PeersRequest(out=path)) == 3
    rows = read_peers(path).rows
    assert rows["first"] == ROW
    assert rows["second"].not_measured == f"not measured: {told}"
    assert f"not measured: {told}" in capsys.readouterr().err


def test_a_row_that_fails_or_takes_too_long_says_so(tmp_path: Path) -> None:
    # A limit that has passed before a process is there: no row can end within it.
    request = PeersRequest(out=tmp_path / "peers.json", only=("torchvision",), limit_s=1e-3)
    assert compare(request) == 1
    told = read_peers(request.out).rows["torchvision"].not_measured
    assert told == "not measured: it was stopped after 0.001 s (--limit allows more)"


def test_a_trial_never_overwrites_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["--quick"])
    assert "name another file with --out" in capsys.readouterr().err
    given = read_options(["--quick", "--out", "trial.json", "--only", "predict", "overhead"])
    assert (given.quick, given.only, given.rounds) == (True, ("predict", "overhead"), 5)


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--threads", "none"]])
def test_a_count_below_one_is_refused(words: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit):
        read_options(words)
    assert f"argument {words[0]}: invalid" in capsys.readouterr().err
