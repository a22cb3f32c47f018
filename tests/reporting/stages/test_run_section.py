from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="labels stand in Parquet")

from cdul_edge.front.evaluation import EvaluateRequest, evaluate
from cdul_edge.labels.label_stream import iterate_labels
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.reporting.stages.run.label_movement import compare_labels
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.shown_page import show
from tests.fakes.small_run import CLASSES, FIRST, REFINED, write_run


def test_curves_metrics_and_thresholds_are_those_of_the_run(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    page = show(tmp_path, run)
    summary = json.loads((run / "summary.json").read_bytes())
    at = "/sections/run"
    for name in ("network", "method", "pictures", "epochs", "seconds", "images_per_second"):
        assert page.at(f"{at}/{name}") == summary[name]
    val = page.at(f"{at}/val")
    assert isinstance(val, dict)
    assert val == {name: summary["val"][name] for name in val}
    assert page.at(f"{at}/labels_map_last") == summary["pseudo_labels"]["map_last"] == 62.5
    assert page.at(f"{at}/metrics/1/val_map") == 75.0
    assert page.at(f"{at}/metrics/1/labels_crossed_up") == 0.125
    assert page.at(f"{at}/metrics/0/labels_crossed_up") is None
    assert "never" in page.html
    assert "&lt;dog&gt;" in page.html
    assert page.html.count("<svg") >= 3


def test_labels_that_crossed_are_counted_by_class_and_the_largest_changes_shown(
    tmp_path: Path,
) -> None:
    page = show(tmp_path, write_run(tmp_path))
    # cat: a falls from 0.75 to 0.25, c rises from 0.125 to 0.5; dog: b rises from 0.5 to 0.75.
    at = "/sections/run"
    assert [page.at(f"{at}/classes/{i}/up") for i in (0, 1)] == [1, 1]
    assert [page.at(f"{at}/classes/{i}/down") for i in (0, 1)] == [1, 0]
    assert page.at(f"{at}/mean_change") == (0.5 + 0.375 + 0.25) / 6
    changes = page.at(f"{at}/changes")
    assert isinstance(changes, list)
    assert [(c["picture"], c["label"], c["first"], c["refined"]) for c in changes] == [
        ("a.png", "cat", 0.75, 0.25),
        ("c.png", "cat", 0.125, 0.5),
        ("b.png", "<dog>", 0.5, 0.75),
    ]
    assert all(change["thumbnail"] for change in changes)


def test_without_its_first_labels_a_run_is_shown_and_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (tmp_path / "labels.parquet").unlink()
    page = show(tmp_path, run)
    assert page.at("/sections/run/crossed_up") is None
    assert "no longer at" in page.html


def test_top_losses_need_truth_that_an_evaluation_on_the_page_names(tmp_path: Path) -> None:
    run, truth = write_run(tmp_path), tmp_path / "truth.csv"
    truth.write_text("image_path,cat,<dog>\na.png,0,0\nb.png,0,1\nc.png,0,0\n")
    assert show(tmp_path, run).at("/sections/run/losses") == []
    scores = run / "heldout_scores.parquet"
    result = evaluate(EvaluateRequest(scores, truth), SilentConsole())
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(json.dumps({"program": "cdul-edge", **result.to_dict()}))
    losses = show(tmp_path, run, evaluation).at("/sections/run/losses")
    assert isinstance(losses, list)
    # Wrong: cat on a (0.75 of 0) and on b (0.5, its threshold), and dog on b (0.5 < 0.625).
    assert [(one["picture"], one["label"], one["truth"]) for one in losses] == [
        ("a.png", "cat", 0),
        ("b.png", "cat", 0),
        ("b.png", "<dog>", 1),
    ]
    assert losses[0]["loss"] == pytest.approx(-np.log(0.25))


def test_without_truth_predictions_on_the_page_show_where_the_labels_are_doubted(
    tmp_path: Path,
) -> None:
    run, file = write_run(tmp_path), tmp_path / "predictions.jsonl"
    # The labels give <dog> on b and cat on b and c: the network denies a cat on c, sees one on a.
    given = {"a": (["cat"], 0.875, 0.0), "b": (["cat", "<dog>"], 0.75, 0.75), "c": ([], 0.25, 0.0)}
    lines = [
        {"path": str(tmp_path / f"{n}.png"), "labels": names, "scores": {"cat": x, "<dog>": y}}
        for n, (names, x, y) in given.items()
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = show(tmp_path, run, file).at("/sections/run/disagreements")
    assert isinstance(found, list)
    assert [(one["picture"], one["label"], one["truth"]) for one in found] == [
        ("a.png", "cat", 0),
        ("c.png", "cat", 1),
    ]
    assert found[0]["loss"] == pytest.approx(np.log(8))
    assert found[1]["loss"] == pytest.approx(np.log(4))


def test_a_run_of_some_of_the_pictures_is_compared_with_those(tmp_path: Path) -> None:
    def stream(name: str, paths: tuple[str, ...], scores: np.ndarray, rows: int) -> object:
        thresholds = np.array([0.5, 0.625], np.float32)
        PseudoLabels(tmp_path, paths, CLASSES, scores, thresholds).write(tmp_path / name)
        return iterate_labels(tmp_path / name, rows)

    first = stream("first.parquet", ("a", "b", "c"), FIRST, 1)
    some = stream("some.parquet", ("a", "c"), REFINED[[0, 2]], 1)
    movement = compare_labels(first, some)  # type: ignore[arg-type]
    assert (movement.up.tolist(), movement.down.tolist()) == ([1, 0], [1, 0])
    other = stream("other.parquet", ("c", "a"), REFINED[[0, 2]], 1)
    with pytest.raises(CdulEdgeError, match="'a' is not among"):
        compare_labels(first, other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", '{"format": 2, "stage": "train"}'),
        ("metrics.jsonl", '{"epoch": "one"}\n{"epoch": 2}\n'),
        ("metrics.jsonl", "[" * 100_000),
        ("pseudo_labels_refined.parquet", "no parquet"),
        ("config.json", '{"format": 99, "stage": "train"}'),
    ],
)
def test_a_damaged_file_of_a_run_is_one_line(tmp_path: Path, name: str, content: str) -> None:
    run = write_run(tmp_path)
    (run / name).write_text(content)
    with pytest.raises(CdulEdgeError) as raised:
        show(tmp_path, run)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"thresholds": [0.5]}, "1 thresholds for 2 classes"),
        ({"val": None, "classes": ["cat", "cow"]}, "of different classes"),
        ({"classes": ["cat", "cow"]}, "val.ap is not of the run's classes"),
        ({"seconds": 10**400}, "seconds is 10"),
    ],
)
def test_a_summary_of_other_classes_than_the_run_is_one_line(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    run = write_run(tmp_path)
    file = run / "summary.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **changes}))
    with pytest.raises(CdulEdgeError, match=told):
        show(tmp_path, run)
