from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.front.estimation import EstimateRequest, estimate
from cdul_edge.front.evaluation import EvaluateRequest, evaluate
from cdul_edge.reporting.stages.evaluation import section
from cdul_edge.reporting.stages.evaluation.score_bins import GRID, ScoreBins
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.shown_page import ShownPage, show

# cat: right at 0.75 and 0.5, wrong at 0.625; <dog>: only b has it, at 0.25.
SCORES = {"a": (0.75, 0.0), "b": (0.625, 0.25), "c": (0.5, 0.125), "d": (0.25, 0.0)}
LABELS = {"a": ["cat"], "b": ["cat", "<dog>"], "c": [], "d": []}
TRUTH = "image_path,cat,<dog>\na.png,1,0\nb.png,0,1\nc.png,1,0\nd.png,0,0\n"
FIGURE = {"value": 50.0, "low": 25.0, "high": 75.5}
ABOUT = {"program": "cdul-edge", "version": "0"}


def write_predictions(folder: Path) -> Path:
    lines = [
        {"path": f"{name}.png", "labels": LABELS[name], "scores": {"cat": cat, "<dog>": dog}}
        for name, (cat, dog) in SCORES.items()
    ]
    file = folder / "predictions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def write(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "evaluation.json"
    file.write_text(json.dumps({**ABOUT, **content}))
    return file


def evaluated(folder: Path) -> Path:
    truth = folder / "truth.csv"
    truth.write_text(TRUTH)
    scores = write_predictions(folder)
    result = evaluate(EvaluateRequest(scores, truth), SilentConsole())
    return write(folder, result.to_dict())


def classes(page: ShownPage) -> list[dict[str, Any]]:
    found = page.at("/sections/evaluation/classes")
    assert isinstance(found, list)
    return found


def test_against_truth_the_metrics_are_those_of_the_file_and_curves_say_more(
    tmp_path: Path,
) -> None:
    file = evaluated(tmp_path)
    page = show(tmp_path, file)
    stored = json.loads(file.read_bytes())
    metrics = page.at("/sections/evaluation/metrics")
    assert isinstance(metrics, dict)
    assert metrics == {name: stored[name] for name in metrics}
    cat, dog = classes(page)
    # Labels of cat: a (right) and b (wrong), c is missed; of <dog>: b alone, which is right.
    assert (cat["precision"]["value"], cat["recall"]["value"]) == (50.0, 50.0)
    assert dog["f1"]["value"] == 100.0
    assert (cat["f1"]["value"] + dog["f1"]["value"]) / 2 == pytest.approx(stored["macro_f1"])
    # From 0.255 to 0.5 all three are cats: two of them rightly, F1 is 2 * 2 / (3 + 2).
    assert cat["best_f1"] == pytest.approx(80.0)
    assert cat["best_threshold"] == 0.255
    assert page.at("/sections/evaluation/curves_basis") == "truth"
    curve = page.at("/sections/evaluation/curves/0")
    assert isinstance(curve, dict)
    assert curve["precision"][GRID.index(0.5)] == pytest.approx(2 / 3)
    assert curve["recall"][GRID.index(0.7)] == 0.5
    assert curve["precision"][GRID.index(0.8)] is None
    assert "measured against truth On 4 images: mAP 91.7 %, macro F1 75.0 %." in page.summary
    assert "expected" not in page.html.split("<main")[1]


def test_without_its_scores_or_its_truth_an_evaluation_is_shown_and_says_so(
    tmp_path: Path,
) -> None:
    file = evaluated(tmp_path)
    (tmp_path / "truth.csv").unlink()
    page = show(tmp_path, file)
    assert page.at("/sections/evaluation/curves_basis") == "expected"
    assert "curves are expected ones" in page.html
    (tmp_path / "predictions.jsonl").unlink()
    page = show(tmp_path, file)
    assert page.at("/sections/evaluation/curves") == []
    assert "no longer at" in page.html


def test_a_class_that_no_picture_shows_has_its_precision_and_takes_no_other_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "MOST_CURVES", 1)
    truth = tmp_path / "truth.csv"
    truth.write_text(TRUTH.replace("b.png,0,1", "b.png,0,0"))
    result = evaluate(EvaluateRequest(write_predictions(tmp_path), truth), SilentConsole())
    page = show(tmp_path, write(tmp_path, result.to_dict()))
    _, dog = classes(page)
    assert (dog["predicted"], dog["precision"]["value"]) == (1, 0.0)
    assert (dog["recall"]["value"], dog["f1"]["value"], dog["best_f1"]) == (None, None, None)
    assert page.at("/sections/evaluation/curves/0/name") == "cat"


def test_an_estimate_is_marked_as_expected(tmp_path: Path) -> None:
    scores = write_predictions(tmp_path)
    result = estimate(EstimateRequest(scores), SilentConsole())
    file = write(tmp_path, result.to_dict())
    stored = json.loads(file.read_bytes())
    page = show(tmp_path, file)
    assert page.at("/sections/evaluation/macro_f1") == stored["macro_f1"]
    cat, _ = classes(page)
    for name in ("precision", "recall", "f1", "prevalence", "ap", "predicted"):
        assert cat[name] == stored["classes"]["cat"][name]
    # Of probabilities 3/4, 5/8, 1/2 and 1/4: at 0.6, (3/4 + 5/8) of two labels are right.
    curve = page.at("/sections/evaluation/curves/0")
    assert isinstance(curve, dict)
    assert curve["precision"][GRID.index(0.6)] == pytest.approx(1.375 / 2)
    assert curve["f1"][GRID.index(0.6)] == pytest.approx(2 * 1.375 / (2 + 2.125))
    assert "expected, not measured Of" in page.summary
    assert "expected, not measured" in page.html.split("<main")[1]


def test_a_sample_shows_its_intervals_and_the_questions_that_are_open(tmp_path: Path) -> None:
    one = {
        "precision": FIGURE, "recall": FIGURE, "f1": {**FIGURE, "value": None},
        "predicted": 3, "asked": 9, "answered": 7, "unsure": 1, "joined": 0, "remaining": 1,
    }  # fmt: skip
    content = {
        "scores": "gone.jsonl", "sheet": "sheet.csv", "pictures": 4,
        "classes": {"cat": one}, "macro_f1": FIGURE, "averaged": 1,
    }  # fmt: skip
    page = show(tmp_path, write(tmp_path, content))
    (cat,) = classes(page)
    for name in ("precision", "recall", "f1", "predicted", "answered", "remaining"):
        assert cat[name] == one[name]
    assert page.at("/sections/evaluation/macro_f1") == FIGURE
    value, low, high = (f"{FIGURE[name]:.1f}" for name in ("value", "low", "high"))
    told = f"estimated from a sample Of 4 images: macro F1 {value} ({low} to {high}) %."
    assert told in page.summary


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"map": "high"}, "map is 'high'"),
        ({"thresholds": None}, "thresholds is not an object"),
        ({"ap": {"cat": [1]}}, "ap.cat"),
    ],
)
def test_a_damaged_evaluation_is_one_line(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    file = evaluated(tmp_path)
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **change}))
    with pytest.raises(CdulEdgeError, match=told) as raised:
        show(tmp_path, file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_bins_leave_out_what_is_unknown_and_say_how_often_a_score_is_right() -> None:
    bins = ScoreBins(1)
    scores = np.array([[0.95], [0.95], [0.05], [0.95], [1.5]], np.float32)
    bins.add(scores[:2], np.array([[1], [0]], np.int8))
    bins.add(scores[2:], np.array([[0], [-1], [1]], np.int8))
    means, shares = bins.reliability()
    assert (shares[9], shares[0], shares[5]) == (0.5, 0.0, None)
    assert means[9] == pytest.approx(0.95)
    assert bins.outside == 1


def test_a_slope_below_one_makes_sure_scores_less_sure_and_keeps_their_sum() -> None:
    bins = ScoreBins(1)
    bins.add(np.array([[0.975], [0.025]], np.float32))
    sure, doubted = bins.expected_curves(1.0), bins.expected_curves(0.5)
    at = GRID.index(0.5)
    assert sure.precision[0, at] == pytest.approx(0.975)
    # 0.975 has odds of 39: half the log-odds are odds of sqrt(39), a probability of 0.862.
    assert doubted.precision[0, at] == pytest.approx(39**0.5 / (1 + 39**0.5), abs=1e-4)
    assert doubted.precision[0, 0] == pytest.approx(0.5, abs=1e-4)
