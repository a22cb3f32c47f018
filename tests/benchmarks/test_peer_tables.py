"""The comparison with other tools as the pages show it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measured_rows.result_file import RowsFile
from benchmarks.peers import reasons
from benchmarks.peers.reasons import explain
from benchmarks.peers.row import Bar, Comparison, PeersRow
from benchmarks.peers.rows import BENCHMARK
from benchmarks.tables import markdown, peers

BEHIND = Comparison(
    "resnet50-fp32", "predict, resnet50, FP32", "a script", "ms", (20.04, 21), (19.1, 20),
    Bar("at most", 1.0),
)  # fmt: skip
AHEAD = Comparison(
    "resnet50-auto", "predict, resnet50, auto", "a script", "ms", (8, 8), (20, 16),
    Bar("at most", 0.6), "fp32 as bf16 on openvino",
)  # fmt: skip
PREDICT = PeersRow(
    name="predict", title="Beside a script", command="python -m benchmarks.peers --only predict",
    measured="2026-01-02T03:04:05+00:00", commit="abc", threads=2, rounds=2, machine={"cpu": "x"},
    versions={}, comparisons=(BEHIND, AHEAD), notes=("pictures are drawn",),
)  # fmt: skip
MISSING = replace(
    PREDICT, name="ultralytics", title="Beside Ultralytics", comparisons=(), notes=(),
    not_measured="not measured: ultralytics is not installed (pip install ultralytics)",
)  # fmt: skip


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(markdown, "RESULTS", tmp_path)
    monkeypatch.setattr(reasons, "REASONS", {"predict/resnet50-fp32": "no time"})
    return tmp_path


def test_nothing_is_drawn_of_what_was_never_run(results: Path) -> None:
    assert peers.draw_peers() == ()
    assert peers.draw_peers_summary() == ""


def test_the_readme_shows_both_sides_the_ratio_the_command_and_why_not(results: Path) -> None:
    BENCHMARK.write(results / "peers.json", RowsFile({"predict": PREDICT}))
    told, _, head, _, *rows = peers.draw_peers_summary().splitlines()
    assert "2 threads, medians (`python -m benchmarks.peers`)" in told
    assert head == "|  | ours | theirs | ours/theirs |"
    assert rows == [  # 20.04 / 19.1 and 21 / 20 have the median 1.0496
        "| predict, FP32, ms | 20.5 | onnxruntime+cv2: 19.6 | 1.05x (wanted ≤ 1x: no time) |",
        "| predict, auto, ms | 8 | onnxruntime+cv2: 18 | 0.45x |",
    ]


def test_the_page_of_all_figures_says_what_was_not_measured(results: Path) -> None:
    kept = RowsFile({"ultralytics": MISSING, "predict": PREDICT})
    BENCHMARK.write(results / "peers.json", kept)
    (page,) = peers.draw_peers()
    assert page.startswith("## Beside other tools\n")
    rows = [line for line in page.splitlines() if line.startswith("|")][2:]
    assert rows == [
        "| predict, resnet50, FP32 | 20.5 ms | a script | 19.6 ms | 1.05x | ≤ 1x | no: no time | "
        "`predict` |",
        "| predict, resnet50, auto (fp32 as bf16 on openvino) | 8 ms | a script | 18 ms | 0.45x | "
        "≤ 0.6x | yes | `predict` |",
        "| Beside Ultralytics |  |  |  |  |  | not measured: ultralytics is not installed (pip "
        "install ultralytics) | `ultralytics` |",
    ]
    assert page.endswith("\n- pictures are drawn\n")


def test_a_bar_of_our_own_figure_is_not_shown_as_a_ratio(results: Path) -> None:
    own = replace(BEHIND, bar=Bar("at most", 1.3, of="ours"))
    kept = RowsFile({"predict": replace(PREDICT, comparisons=(own,))})
    BENCHMARK.write(results / "peers.json", kept)
    assert "(wanted ours ≤ 1.3 ms: no time)" in peers.draw_peers_summary()


def test_a_ratio_that_just_missed_its_bar_does_not_read_as_the_bar(results: Path) -> None:
    close = replace(BEHIND, ours=(20.02, 20.02), theirs=(20, 20))
    kept = RowsFile({"predict": replace(PREDICT, comparisons=(close,))})
    BENCHMARK.write(results / "peers.json", kept)
    assert "| 1.001x (wanted ≤ 1x: no time) |" in peers.draw_peers_summary()


def test_a_row_that_nobody_explained_shows_how_its_rounds_spread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reasons, "REASONS", {})
    assert explain("predict", replace(BEHIND, theirs=(20.04, 20))) == "rounds from 1.00x to 1.05x"
    assert explain("predict", AHEAD) == ""


def test_every_reason_belongs_to_a_row() -> None:
    names = {row.name for row in BENCHMARK.rows}
    assert {key.partition("/")[0] for key in reasons.REASONS} <= names
