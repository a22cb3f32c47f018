"""The evaluate command where there is no truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList

PATHS = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
SCORES = np.array([[0.9, 0.1], [0.8, 0.9], [0.7, 0.2], [0.1, 0.8]], np.float32)


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def estimate(scores: Path, *more: str | Path) -> dict[str, Any]:
    result = evaluate(scores, "--json", "-", *more)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def count_predicted(report: dict[str, Any]) -> list[int]:
    return [one["predicted"] for one in report["classes"].values()]


def write_labels(path: Path, strategy: str = "evidence", **about: object) -> Path:
    thresholds = np.array([0.75, 0.5], np.float32)
    about = about or {"aggregation": {"strategy": strategy}}
    labels = PseudoLabels(Path(), PATHS, ClassList(("cat", "dog")), SCORES, thresholds, about)
    labels.write(path)
    return path


def write_lines(path: Path) -> Path:
    lines = []
    for name, (cat, dog) in zip(PATHS, SCORES.tolist(), strict=True):
        decided = [n for n, s, t in (("cat", cat, 0.75), ("dog", dog, 0.5)) if s >= t]
        row = {"path": name, "labels": decided, "scores": {"cat": cat, "dog": dog}}
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_table(path: Path) -> Path:
    rows = [f"{name},{c},{d}" for name, (c, d) in zip(PATHS, SCORES.tolist(), strict=True)]
    path.write_text("\n".join(["image_path,cat,dog", *rows]) + "\n")
    return path


def test_every_kind_of_scores_is_judged_at_its_own_thresholds(tmp_path: Path) -> None:
    lines = estimate(write_lines(tmp_path / "p.jsonl"))
    labels = estimate(write_labels(tmp_path / "labels.parquet"))
    table = estimate(write_table(tmp_path / "p.csv"))
    assert lines["estimate"] is True
    assert count_predicted(lines) == count_predicted(labels) == [2, 2]
    assert count_predicted(table) == [3, 2]  # a table decides at one half
    # a network's scores are taken at their word on average, those of labels for too sure
    assert lines["doubt"]["slope"] == 1 > labels["doubt"]["slope"]
    held_out = estimate(write_labels(tmp_path / "heldout.parquet", scores_of="network"))
    assert held_out["classes"] == lines["classes"]
    given = estimate(tmp_path / "p.csv", "--threshold", "0.75")
    assert given["thresholds"] == {"cat": 0.75, "dog": 0.75}
    assert given["classes"] == lines["classes"]


def test_people_are_told_that_it_is_an_estimate_and_what_it_assumes(tmp_path: Path) -> None:
    result = evaluate(write_lines(tmp_path / "p.jsonl"))
    assert result.exit_code == 0, result.output
    assert "Estimate without truth" in result.stdout
    assert "no truth was read: the scores are taken for probabilities" in result.stdout
    assert "macro F1" in result.stdout
    assert not result.stderr


def test_a_class_is_one_line_of_80_characters() -> None:
    from types import SimpleNamespace

    from rich.console import Console

    from cdul_edge.cli.output.tables.classes import draw_classes, show_interval

    widest = SimpleNamespace(f1=SimpleNamespace(value=100.0, low=10.0, high=100.0))
    cell = show_interval(widest.f1, digits=0)
    assert cell == "100.0 (10-100)"
    headings = ("class", "predicted", "prevalence, %", "precision, %", "recall, %", "F1, %")
    table = draw_classes("t", headings, {"cat": widest}, lambda one: ["1,000", *[cell] * 4])
    console = Console(width=80)
    with console.capture() as drawn:
        console.print(table)
    assert [line.split()[0] for line in drawn.get().splitlines()] == ["t", "class", "cat"]


def test_scores_of_a_strategy_that_gives_no_probabilities_are_said_to_be_so(tmp_path: Path) -> None:
    result = evaluate(write_labels(tmp_path / "labels.parquet", "cdul"))
    assert result.exit_code == 0
    assert "made by --strategy cdul, whose scores are no probabilities" in result.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--fit-thresholds", "f1"), "--fit-thresholds"),
        (("--ap", "voc2007", "--difficult", "ignore"), "--ap, --difficult"),
        (("--fit-pictures", "5", "--write-thresholds", "t.json"), "--fit-pictures, --write"),
    ],
)
def test_an_option_that_needs_truth_says_so(
    tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    result = evaluate(write_lines(tmp_path / "p.jsonl"), *options)
    assert result.exit_code == 2
    assert named in result.stderr
    assert "cannot be used without --truth" in result.stderr


def test_logits_are_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("image_path,cat,dog\na.jpg,-2.5,3\n")
    result = evaluate(file)
    assert result.exit_code == 2
    assert "without truth, only probabilities can be judged" in result.stderr


def test_a_picture_that_is_scored_twice_is_refused(tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_text("image_path,cat,dog\na.jpg,0.3,0\nb.jpg,0.4,0\na.jpg,0.3,0\n")
    result = evaluate(scores)
    assert result.exit_code == 2
    assert "name 'a.jpg' twice" in result.stderr


def test_a_table_of_very_many_classes_shows_its_two_ends(tmp_path: Path) -> None:
    names = [f"c{number:03}" for number in range(100)]
    scores = [f"{0.5 + number / 250:.3f}" for number in range(100)]
    file = tmp_path / "p.csv"
    file.write_text(f"image_path,{','.join(names)}\na.jpg,{','.join(scores)}\n")
    result = evaluate(file)
    assert "... 70 more classes, all in --json ..." in result.stdout
