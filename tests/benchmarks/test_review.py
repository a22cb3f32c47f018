"""Answers from truth, and the table of what they bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measured_rows.figures import FiguresRow, at_least, stated
from benchmarks.measured_rows.result_file import RowsFile
from benchmarks.review.reviewed import choose_random, write_answers
from benchmarks.review.rows import BENCHMARK
from benchmarks.tables import markdown, review
from cdul_edge.labels.observed import read_observed
from cdul_edge_runtime.bundle.classes import ClassList

KNOWN = {("a/1.jpg", "cat"): True, ("a/1.jpg", "dog"): False, ("2.jpg", "dog"): True}


def test_answers_are_what_truth_says_in_the_form_that_training_reads(tmp_path: Path) -> None:
    file = write_answers(tmp_path / "seen.csv", sorted(KNOWN), KNOWN)
    found = read_observed([file], ("2.jpg", "a/1.jpg", "3.jpg"), ClassList(("cat", "dog")))
    assert found.tolist() == [[0, 1], [1, -1], [0, 0]]


def test_random_entries_are_drawn_once_each_and_by_seed() -> None:
    known = {(f"{one}.jpg", name): True for one in range(50) for name in ("cat", "dog")}
    drawn = choose_random(known, 40, seed=1)
    assert len(set(drawn)) == 40
    assert set(drawn) <= set(known)
    assert drawn == choose_random(dict(reversed(known.items())), 40, seed=1)
    assert drawn != choose_random(known, 40, seed=2)


def test_the_table_shows_means_seeds_and_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = FiguresRow(
        name="drawn", title="Drawn worlds", command="python -m benchmarks.review --only drawn",
        measured="2026-01-02T03:04:05+00:00", commit="abc", machine={"cpu": "x"}, versions={},
        notes=("About them.",),
        figures=(
            stated("none-map", "", "%", 50.0, 51.0, 52.0), stated("none-f1", "", "%", 40, 41, 45),
            at_least(1.0, "train-gain", "", "points", 0.2, 3.0, 1.6),
        ),
    )  # fmt: skip
    monkeypatch.setattr(markdown, "RESULTS", tmp_path)
    assert review.draw_review() == ()
    BENCHMARK.write(tmp_path / "review.json", RowsFile({"drawn": row}))
    (page,) = review.draw_review()
    assert (
        "| Drawn worlds | no answers | 51.0 (50.0, 51.0, 52.0) | 42.0 (40.0, 41.0, 45.0) |" in page
    )
    assert "+1.6 points of macro F1: they win by the 1 that is wanted." in page
    assert "- About them." in page
