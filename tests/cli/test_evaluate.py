"""The evaluate command on every file that holds scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList

PATHS = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
# cat is ranked right but for one pair: AP (1 + 2/3) / 2; dog perfectly
SCORES = np.array([[0.9, 0.1], [0.8, 0.9], [0.7, 0.2], [0.1, 0.8]], np.float32)
TRUTH = "image_path,cat,dog\na.jpg,1,0\nb.jpg,0,1\nc.jpg,1,0\nd.jpg,0,1\n"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    file = tmp_path / "truth.csv"
    file.write_text(TRUTH)
    return file


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def report(scores: Path, truth: Path, *more: str) -> dict[str, object]:
    result = evaluate(scores, "--truth", truth, "--json", "-", *more)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def write_labels(path: Path) -> Path:
    thresholds = np.array([0.75, 0.5], np.float32)
    PseudoLabels(Path(), PATHS, ClassList(("cat", "dog")), SCORES, thresholds).write(path)
    return path


def write_lines(path: Path, *, labels: bool = True) -> Path:
    lines = []
    for name, (cat, dog) in zip(PATHS, SCORES.tolist(), strict=True):
        decided = [n for n, s, t in (("cat", cat, 0.75), ("dog", dog, 0.5)) if s >= t]
        row = {"path": f"some/{name}", "labels": decided, "scores": {"cat": cat, "dog": dog}}
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_kind_of_scores_gives_the_same_report(tmp_path: Path, truth: Path) -> None:
    found = report(write_labels(tmp_path / "labels.parquet"), truth)
    assert found["ap"] == {"cat": pytest.approx(250 / 3), "dog": pytest.approx(100)}
    assert found["map"] == pytest.approx((250 / 3 + 100) / 2)
    # at 0.75 and 0.5: cat is said of a (right) and b (wrong), dog of b and d (both right)
    assert found["op"] == pytest.approx(75)
    assert found["or_"] == pytest.approx(75)
    assert found["hamming"] == pytest.approx(25)
    assert found["density"] == pytest.approx(50)
    lines = report(write_lines(tmp_path / "predictions.jsonl"), truth)
    differ = ("scores", "thresholds")  # lines hold decisions, which imply 0.9 and 0.8
    assert {k: v for k, v in lines.items() if k not in differ} == {
        k: v for k, v in found.items() if k not in differ
    }
    assert found["thresholds"] == {"rule": "own", "values": {"cat": 0.75, "dog": 0.5}}
    write_labels(tmp_path / "folder" / "pseudo_labels.parquet")
    assert report(tmp_path / "folder", truth)["map"] == found["map"]


def test_a_table_of_scores_is_decided_at_one_half_or_at_the_given_threshold(
    tmp_path: Path, truth: Path
) -> None:
    file = tmp_path / "predictions.csv"
    rows = [f"{n},{c},{d}" for n, (c, d) in zip(PATHS, SCORES.tolist(), strict=True)]
    file.write_text("\n".join(["image_path,dog,cat", *rows]) + "\n")
    swapped = report(file, truth)  # the columns are called the wrong way round
    assert swapped["ap"] != report(write_labels(tmp_path / "l.parquet"), truth)["ap"]
    file.write_text("\n".join(["image_path,cat,dog", *rows]) + "\n")
    assert report(file, truth)["hamming"] == pytest.approx(100 / 8)
    assert report(file, truth, "--threshold", "0.75")["hamming"] == pytest.approx(25)


def test_the_table_is_the_result_and_stands_on_stdout(tmp_path: Path, truth: Path) -> None:
    result = evaluate(write_labels(tmp_path / "l.parquet"), "--truth", truth)
    assert result.exit_code == 0
    rows = {row.split("│")[1].strip(): row for row in result.stdout.splitlines() if "│" in row}
    assert "83.3" in rows["cat"]
    assert "91.7" in rows["mAP (area)"]
    assert "predicting nothing scores 50.0" in result.stdout


def test_unknown_truth_is_left_out_and_said(tmp_path: Path, truth: Path) -> None:
    truth.write_text("image_path,cat,dog\na.jpg,1,0\nb.jpg,0,0\n")
    result = evaluate(write_labels(tmp_path / "l.parquet"), "--truth", truth)
    assert "2 pictures of 4; the truth of the others is unknown" in result.stdout
    assert "no positive picture, left out of mAP: dog" in result.stdout


def test_a_class_that_a_list_of_names_lacks_is_one_line_of_warning(
    tmp_path: Path, truth: Path
) -> None:
    truth.write_text("image_path,label\na.jpg,cat\nb.jpg,\nc.jpg,cat\nd.jpg,\n")
    result = evaluate(write_labels(tmp_path / "l.parquet"), "--truth", truth, "--json", "-")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == (
        f"cdul-edge: warning: the truth {truth} names dog in no picture, so all count as absent"
    )
    found = json.loads(result.stdout)
    assert found["ap"] == {"cat": pytest.approx(250 / 3), "dog": None}
    assert found["classes_without_positive"] == 1


def test_the_convention_of_average_precision_can_be_chosen_and_is_named(
    tmp_path: Path, truth: Path
) -> None:
    labels = write_labels(tmp_path / "l.parquet")
    found = report(labels, truth, "--ap", "voc2007")
    assert found["ap_convention"] == "voc2007"
    # cat: precision 1 up to recall 0.5, then 2/3
    assert found["ap"] == {"cat": pytest.approx(100 * (6 + 5 * 2 / 3) / 11), "dog": 100}
    assert report(labels, truth)["ap_convention"] == "area"
    shown = evaluate(labels, "--truth", truth, "--ap", "voc2010").stdout
    assert "mAP (voc2010)" in shown


def test_soft_labels_have_their_quality_in_the_json(tmp_path: Path, truth: Path) -> None:
    quality = report(write_labels(tmp_path / "l.parquet"), truth)["label_quality"]
    assert isinstance(quality, dict)
    assert quality["row_sum"] == pytest.approx((1.0 + 1.7 + 0.9 + 0.9) / 4)
    assert quality["row_sum_truth"] == 1
    # at 0.5: cat of a, b, c and dog of b, d; wrong is cat of b
    assert quality["hard_precision"] == pytest.approx(80)
    assert quality["prevalence_ratio"] == {"cat": 1.5, "dog": 1.0}
    file = tmp_path / "logits.csv"
    file.write_text("image_path,cat,dog\na.jpg,3,-2\nb.jpg,-1,4\n")
    logits = report(file, truth)
    assert (logits["label_quality"], logits["ece"], logits["map"]) == (None, None, 100)


def test_fitted_thresholds_are_written_read_again_and_never_called_held_out(
    tmp_path: Path, truth: Path
) -> None:
    labels, file = write_labels(tmp_path / "l.parquet"), tmp_path / "t.json"
    options = ("--fit-thresholds", "precision=0.6", "--write-thresholds", str(file))
    result = evaluate(labels, "--truth", truth, *options)
    assert result.exit_code == 0, result.output
    assert "chosen on these very 4 pictures" in result.stdout
    # precision of cat from the top: 1, 1/2, 2/3, 2/4; of dog: 1, 1, 2/3, 1/2
    written = json.loads(file.read_text())
    assert written == {"cat": pytest.approx(0.7), "dog": pytest.approx(0.2)}
    found = report(labels, truth, "--threshold", str(file))
    assert found["hamming"] == pytest.approx(100 * 2 / 8)
    assert found["thresholds"] == {"rule": "given", "threshold": str(file), "values": written}
    again = evaluate(labels, "--truth", truth, *options)
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert evaluate(labels, "--truth", truth, *options, "--force").exit_code == 0


def test_thresholds_fitted_on_some_pictures_are_reported_on_the_others(
    tmp_path: Path, truth: Path
) -> None:
    labels = write_labels(tmp_path / "l.parquet")
    options = ("--fit-thresholds", "f1", "--fit-pictures", "3", "--seed", "1")
    found = report(labels, truth, *options)
    assert found["pictures"] == 1
    origin = found["thresholds"]
    assert isinstance(origin, dict)
    about = {key: origin[key] for key in ("rule", "pictures", "in_sample", "seed")}
    assert about == {"rule": "f1", "pictures": 3, "in_sample": False, "seed": 1}
    shown = evaluate(labels, "--truth", truth, *options).stdout
    assert "drawn with seed 1; every figure is of the others" in shown
    assert "1 pictures\n" in shown  # the three are left out, not unknown


def test_a_rate_is_fitted_without_truth_and_a_class_without_threshold_is_named(
    tmp_path: Path, truth: Path
) -> None:
    labels = write_labels(tmp_path / "l.parquet")
    result = evaluate(labels, "--truth", truth, "--fit-thresholds", "rate=0.5")
    assert "from the scores of 4 pictures and no truth" in result.stdout
    truth.write_text("image_path,cat,dog\na.jpg,1,0\nb.jpg,0,0\n")
    result = evaluate(labels, "--truth", truth, "--fit-thresholds", "recall=1")
    assert "so never predicted: dog" in result.stderr


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--fit-thresholds", "f1", "--threshold", "0.5"], "exclude each other"),
        (["--threshold", "1.5"], "1.5"),
        (["--fit-pictures", "2"], "go with --fit-thresholds"),
        (["--write-thresholds", "t.json"], "go with --fit-thresholds"),
        (["--fit-thresholds", "best"], "expected f1, precision=P"),
        (["--fit-thresholds", "f1", "--fit-pictures", "4"], "at least one must be left"),
        (["--fit-thresholds", "rate=0.1", "--fit-pictures", "2"], "a rate needs no labeled"),
        (["--threshold", "none.json"], "none.json does not exist"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    tmp_path: Path, truth: Path, options: list[str], fault: str
) -> None:
    result = evaluate(write_labels(tmp_path / "l.parquet"), "--truth", truth, *options)
    assert result.exit_code == 2
    assert fault in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("none.jsonl", None, "none.jsonl does not exist"),
        ("a.txt", "", "expected a labels folder, .parquet, .jsonl or .csv"),
        ("a.jsonl", "", "is empty"),
        ("a.jsonl", '{"path": "a"}', "line 1 is not"),
        ("a.jsonl", "{", "line 1 is not"),
        (
            "a.jsonl",
            '{"path": "a", "labels": [], "scores": {"cat": "x", "dog": 1}}',
            "every number finite",
        ),
        ("a.csv", "path,cat\n", "expected image_path,<class>"),
        ("a.csv", "image_path,cat,dog\na.jpg,1\n", "row 2 has 2 fields, expected 3"),
        ("a.csv", "image_path,cat,dog\na.jpg,1,x\n", "row 2: could not convert"),
        ("a.parquet", "text", "is truncated or damaged"),
    ],
)
def test_files_without_scores_are_one_line(
    tmp_path: Path, truth: Path, name: str, content: str | None, fault: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    result = evaluate(tmp_path / name, "--truth", truth)
    assert result.exit_code == 2
    assert fault in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_table_of_a_thousand_classes_shows_the_best_and_the_worst(tmp_path: Path) -> None:
    """1,203 classes of LVIS; class n is ranked worse the higher n is, and the last has no truth."""
    names, count = [f"c{n:04}" for n in range(1203)], 41
    scores = np.zeros((count, len(names)), np.float32)
    rows = np.zeros((count, len(names)), int)
    for n in range(len(names) - 1):
        rows[n % count, n] = 1
        scores[:, n] = (np.arange(count) - n % count) % count <= 40 * n // 1203  # ties with it
    thresholds = np.full(len(names), 0.5, np.float32)
    paths = tuple(f"{n}.jpg" for n in range(count))
    labels = tmp_path / "l.parquet"
    PseudoLabels(Path(), paths, ClassList(tuple(names)), scores, thresholds).write(labels)
    lines = [f"{path}," + ",".join(map(str, row)) for path, row in zip(paths, rows, strict=True)]
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join(["image_path," + ",".join(names), *lines]) + "\n")
    shown = evaluate(labels, "--truth", truth, "--json", tmp_path / "all.json").stdout
    assert len(shown.splitlines()) < 60
    assert "c0000" in shown
    assert "c1201" in shown
    assert "c0600" not in shown
    assert "1173 more classes, all in --json" in shown
    assert "left out of mAP: c1202\n" in shown
    assert len(json.loads((tmp_path / "all.json").read_text())["ap"]) == 1203


def test_predictions_of_the_top_classes_only_cannot_be_evaluated(
    tmp_path: Path, truth: Path
) -> None:
    rows = [{"path": p, "labels": [], "scores": {c: 0.5}} for p, c in (("a", "cat"), ("b", "dog"))]
    (tmp_path / "top.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = evaluate(tmp_path / "top.jsonl", "--truth", truth)
    assert result.exit_code == 2
    assert "predict without --top" in result.stderr
