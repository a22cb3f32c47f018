"""`sample` and `evaluate --sampled`: from scores to a sheet, and from its answers to figures."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner, Result

from cdul_edge import sample as sample_verb
from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning

Scores = npt.NDArray[np.float32]

COUNT = 400
PATHS = tuple(f"{n:03}.jpg" for n in range(COUNT))
CLASSES = ("cat", "dog")
# Every fourth picture is said to show a cat, every fifth a dog; cats are 10 too many, dogs right.
SCORES: Scores = np.full((COUNT, 2), 0.01, np.float32)
SCORES[::4, 0], SCORES[::5, 1] = 0.9, 0.8
SCORES += np.linspace(0, 0.09, COUNT, dtype=np.float32)[:, None]
TRUTH = SCORES > 0.5
TRUTH[:40:4, 0] = False


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def complaint(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.strip().splitlines()
    return line


def write_labels(
    file: Path, scores: Scores = SCORES, paths: tuple[str, ...] = PATHS, cut: float = 0.5
) -> Path:
    thresholds = np.array([cut, 0.5], np.float32)
    PseudoLabels(Path("photos"), paths, ClassList(CLASSES), scores, thresholds).write(file)
    return file


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_labels(tmp_path / "labels.parquet")


@pytest.fixture
def sheet(tmp_path: Path, labels: Path) -> Path:
    file = tmp_path / "sheet.csv"
    result = run("sample", labels, "--out", file, "--per-class", "50")
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    return file


def rows_of(sheet: Path) -> list[dict[str, str]]:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def save(sheet: Path, rows: list[dict[str, str]]) -> None:
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def fill(sheet: Path, *, most: int = COUNT) -> list[dict[str, str]]:
    """Answer the first questions about each class as the truth has it."""
    rows = rows_of(sheet)
    for column, name in enumerate(CLASSES):
        for row in [row for row in rows if row["class"] == name][:most]:
            row["answer"] = "yes" if TRUTH[PATHS.index(row["image_path"]), column] else "no"
    save(sheet, rows)
    return rows


def report(labels: Path, sheet: Path, *more: str) -> dict[str, object]:
    result = run("evaluate", labels, "--sampled", sheet, "--json", "-", *more)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_a_sheet_asks_about_so_many_pictures_of_each_class(sheet: Path) -> None:
    rows = rows_of(sheet)
    asked = [row["class"] for row in rows]
    assert (asked.count("cat"), asked.count("dog")) == (50, 50)
    assert len({(row["image_path"], row["class"]) for row in rows}) == 100
    assert {row["answer"] for row in rows} == {""}


def test_the_command_says_what_to_do_next_and_where_the_pictures_lie(
    tmp_path: Path, labels: Path
) -> None:
    said = run("sample", labels, "--out", tmp_path / "s.csv", "--class", "dog").stderr
    assert said.splitlines()[1:3] == [
        "50 questions about 1 class, of 400 pictures",
        "the pictures lie in photos",
    ]
    command = shlex.join(
        ["cdul-edge", "evaluate", f"{labels}", "--sampled", f"{tmp_path / 's.csv'}"]
    )
    sheet = tmp_path / "s.csv"
    page = ["cdul-edge", "review", f"{labels}", "--sheet", f"{sheet}", "--out", "review.html"]
    assert f"then run {command}" in said.splitlines()[-2]
    assert said.splitlines()[-1].endswith(f"in sight: {shlex.join(page)}")


def test_all_answers_together_are_the_truth(tmp_path: Path, labels: Path) -> None:
    """Where every picture was asked about, nothing is estimated: 90 of 100 cats, 80 of 80 dogs."""
    sheet = tmp_path / "all.csv"
    run("sample", labels, "--out", sheet, "--per-class", str(COUNT))
    fill(sheet)
    found = report(labels, sheet)
    assert isinstance(found["classes"], dict)
    cat, dog = found["classes"]["cat"], found["classes"]["dog"]
    for key in ("value", "low", "high"):
        assert cat["precision"][key] == pytest.approx(90)
        assert cat["recall"][key] == pytest.approx(100)
        assert cat["f1"][key] == pytest.approx(100 * 2 * 90 / 190)
        assert dog["f1"][key] == pytest.approx(100)
    assert (cat["predicted"], cat["asked"], cat["answered"], cat["remaining"]) == (100, 400, 400, 0)


def test_a_sample_gives_intervals_around_the_truth(labels: Path, sheet: Path) -> None:
    fill(sheet)
    found = report(labels, sheet)
    assert isinstance(found["classes"], dict)
    assert isinstance(found["macro_f1"], dict)
    for name, truth in (("cat", 100 * 180 / 190), ("dog", 100)):
        f1 = found["classes"][name]["f1"]
        assert f1["low"] < truth <= f1["high"]
        assert f1["high"] - f1["low"] > 1  # never sure after 50 of 400
    assert found["macro_f1"]["low"] < (100 * 180 / 190 + 100) / 2 < found["macro_f1"]["high"]
    assert (found["pictures"], found["averaged"]) == (400, 2)


def test_what_is_unsure_or_remains_is_said(labels: Path, sheet: Path) -> None:
    rows = fill(sheet, most=30)
    rows[0]["answer"] = "?"
    save(sheet, rows[:30] + rows[40:])  # ten that remain were deleted: they remain all the same
    result = run("evaluate", labels, "--sampled", sheet)
    assert result.exit_code == 0, result.output
    assert "59 answers to 100 questions about 400 pictures" in result.stdout
    assert "1 answered ?: these pictures are taken to be like the others" in result.stdout
    assert "40 remain: cat 20, dog 20" in result.stdout
    found = report(labels, sheet)["classes"]
    assert isinstance(found, dict)
    about = {key: found["cat"][key] for key in ("asked", "answered", "unsure", "remaining")}
    assert about == {"asked": 50, "answered": 29, "unsure": 1, "remaining": 20}


def test_a_class_without_answers_is_left_out_of_the_mean_with_a_word(
    labels: Path, sheet: Path
) -> None:
    save(sheet, [{**r, "answer": r["answer"] * (r["class"] == "cat")} for r in fill(sheet)])
    shown = run("evaluate", labels, "--sampled", sheet).stdout
    assert "left out of macro F1, for want of answers or of a positive: dog" in shown
    found = report(labels, sheet)
    assert found["averaged"] == 1
    assert isinstance(found["classes"], dict)
    assert found["classes"]["dog"]["f1"] == {"value": None, "low": 0, "high": 100}


def test_the_draw_depends_on_seed_and_scores_and_on_no_order_nor_other_class(
    tmp_path: Path, labels: Path, sheet: Path
) -> None:
    mixed = np.random.default_rng(0).permutation(COUNT)
    other = write_labels(
        tmp_path / "other.parquet", SCORES[mixed], tuple(PATHS[row] for row in mixed)
    )
    again = tmp_path / "again.csv"
    run("sample", other, "--out", again, "--class", "dog")
    assert rows_of(again) == [row for row in rows_of(sheet) if row["class"] == "dog"]
    fill(again)
    assert list(report(labels, again)["classes"]) == ["dog"]  # type: ignore[call-overload]
    run("sample", labels, "--out", again, "--force", "--seed", "1", "--class", "dog")
    assert rows_of(again) != [row for row in rows_of(sheet) if row["class"] == "dog"]


def test_answers_are_replaced_with_force_only(labels: Path, sheet: Path) -> None:
    assert "sheet.csv exists: choose another --out" in complaint("sample", labels, "--out", sheet)
    fill(sheet, most=3)
    before = sheet.read_bytes()
    line = complaint("sample", labels, "--out", sheet)
    assert "sheet.csv holds 6 answer(s): choose another --out, or throw them away" in line
    assert sheet.read_bytes() == before
    assert run("sample", labels, "--out", sheet, "--force").exit_code == 0
    assert {row["answer"] for row in rows_of(sheet)} == {""}
    sheet.write_text("image_path,label\na.jpg,cat\n")
    assert "is not a sheet of questions that cdul-edge made" in complaint(
        "sample", labels, "--out", sheet, "--force"
    )


def changed(row: int, value: float) -> Scores:
    scores: Scores = SCORES.copy()
    scores[row, 0] = value
    return scores


@pytest.mark.parametrize("what", ["score", "unasked", "threshold", "fewer", "more", "class"])
def test_a_sheet_of_other_scores_is_refused_by_what_differs(
    tmp_path: Path, labels: Path, sheet: Path, what: str
) -> None:
    fill(sheet)
    asked = [PATHS.index(row["image_path"]) for row in rows_of(sheet) if row["class"] == "cat"]
    free = next(row for row in range(COUNT) if row not in asked)
    other = tmp_path / "other.parquet"
    if what == "score":
        write_labels(other, changed(asked[0], 0.25))
        expected = f"the score of '{PATHS[asked[0]]}' for cat was {SCORES[asked[0], 0]!s}, is 0.25;"
    elif what == "unasked":
        write_labels(other, changed(free, 0.25))
        expected = "pictures that it does not ask about have other cat scores"
    elif what == "threshold":
        write_labels(other, cut=0.6)
        expected = "the threshold of cat was 0.5 and is 0.6;"
    elif what == "fewer":
        write_labels(other, SCORES[200:], PATHS[200:])
        expected = f"{len({r['image_path'] for r in rows_of(sheet)} & set(PATHS[:200]))} of its "
    elif what == "more":
        write_labels(other, np.vstack([SCORES, SCORES[:1]]), (*PATHS, "new.jpg"))
        expected = "it knows 400 pictures, these 401"
    else:
        classes = ClassList(("cat", "hound"))
        PseudoLabels(Path(), PATHS, classes, SCORES, np.full(2, 0.5, np.float32)).write(other)
        expected = "these have no class dog"
    line = complaint("evaluate", other, "--sampled", sheet)
    assert f"was drawn from other scores than {other}: {expected}" in line
    assert "give the scores it was drawn from" in line


def test_the_threshold_of_the_draw_is_the_threshold_of_the_figures(
    tmp_path: Path, labels: Path
) -> None:
    sheet = tmp_path / "high.csv"
    run("sample", labels, "--out", sheet, "--threshold", "0.85")
    fill(sheet)
    assert "was 0.85 and is 0.5" in complaint("evaluate", labels, "--sampled", sheet)
    found = report(labels, sheet, "--threshold", "0.85")["classes"]
    assert isinstance(found, dict)
    assert found["dog"]["predicted"] == int((SCORES[:, 1] >= np.float32(0.85)).sum()) > 0


def test_pictures_that_are_not_there_are_counted_and_named(tmp_path: Path, labels: Path) -> None:
    said = run("sample", labels, "--out", tmp_path / "s.csv", "--per-class", "400").stderr
    assert "400 of the 400 pictures drawn are not in photos, such as '000.jpg': give" in said
    assert "as --images" in said


def test_only_pictures_that_are_there_are_asked_about_when_told_where(
    tmp_path: Path, labels: Path
) -> None:
    sheet, folder = tmp_path / "there.csv", tmp_path / "moved"
    (folder / "deep").mkdir(parents=True)
    for path in PATHS[:100]:
        (folder / "deep" / path).touch()
    result = run("sample", labels, "--out", sheet, "--images", folder, "--per-class", "100")
    assert f"100 of 400 scored pictures are in {folder}: only these" in result.stderr
    assert "warning" not in result.stderr
    assert {row["image_path"] for row in rows_of(sheet)} == {f"deep/{n}" for n in PATHS[:100]}
    rows = rows_of(sheet)
    for row in rows:
        place = PATHS.index(row["image_path"].removeprefix("deep/"))
        row["answer"] = "yes" if TRUTH[place, CLASSES.index(row["class"])] else "no"
    save(sheet, rows)
    found = report(labels, sheet, "--images", str(folder))
    assert isinstance(found["classes"], dict)
    assert found["pictures"] == 100
    assert found["classes"]["cat"]["precision"]["low"] == pytest.approx(100 * 15 / 25)
    line = complaint("evaluate", labels, "--sampled", sheet)
    assert "100 of its pictures are not there, such as 'deep/" in line
    assert "--images as `sample` got them" in line


def test_a_folder_without_any_of_the_pictures_is_one_line(tmp_path: Path, labels: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.jpg").touch()
    line = complaint("sample", labels, "--out", tmp_path / "s", "--images", tmp_path / "other")
    assert "none of the 400 scored pictures is in" in line
    assert "the scores name '000.jpg', and there is 'x.jpg'" in line
    assert "--images goes with --sampled" in complaint("evaluate", labels, "--images", tmp_path)


def test_a_class_that_is_never_predicted_is_warned_of(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "l.parquet", cut=np.inf)
    result = run("sample", labels, "--out", tmp_path / "s.csv")
    assert "no score reaches the threshold of cat" in result.stderr
    fill(tmp_path / "s.csv")
    found = report(labels, tmp_path / "s.csv")["classes"]
    assert isinstance(found, dict)
    assert found["cat"]["precision"]["value"] is None
    assert found["cat"]["f1"]["value"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--per-class", "5"], "5 pictures per class: expected at least 6"),
        (["--class", "kat"], "no class 'kat'"),
        (["--threshold", "2"], "threshold 2.0: expected a score in [0, 1]"),
    ],
)
def test_options_of_sample_that_do_not_fit_are_one_line(
    tmp_path: Path, labels: Path, options: list[str], fault: str
) -> None:
    assert fault in complaint("sample", labels, "--out", tmp_path / "s.csv", *options)
    assert not (tmp_path / "s.csv").exists()


def test_scores_that_cannot_be_drawn_from_are_one_line(tmp_path: Path) -> None:
    logits, twice = tmp_path / "logits.csv", tmp_path / "twice.csv"
    logits.write_text("image_path,cat,dog\na.jpg,3,-2\nb.jpg,-1,4\n")
    twice.write_text("image_path,cat,dog\na.jpg,1,0\na.jpg,1,0\n")
    assert "holds scores outside [0, 1]" in complaint("sample", logits, "--out", tmp_path / "s.csv")
    assert "name 'a.jpg' twice" in complaint("sample", twice, "--out", tmp_path / "s.csv")


def test_more_than_sixty_classes_are_shown_by_the_best_and_the_worst(tmp_path: Path) -> None:
    """Of 70 classes the first 35 are all right, and of the others nothing is."""
    names, count = tuple(f"c_{n:02}" for n in range(70)), 12
    scores = np.tile(np.linspace(0, 1, count, dtype=np.float32)[:, None], (1, 70))
    labels, sheet = tmp_path / "l.parquet", tmp_path / "s.csv"
    paths, halves = PATHS[:count], np.full(70, 0.5, np.float32)
    PseudoLabels(Path(), paths, ClassList(names), scores, halves).write(labels)
    run("sample", labels, "--out", sheet)
    rows = rows_of(sheet)
    for row in rows:
        first = 6 if row["class"] < "c_35" else 0
        last = 12 if row["class"] < "c_35" else 1
        row["answer"] = "yes" if first <= PATHS.index(row["image_path"]) < last else "no"
    save(sheet, rows)
    shown = run("evaluate", labels, "--sampled", sheet).stdout
    assert "40 more classes, all in --json" in shown
    assert ("c_00" in shown, "c_69" in shown, "c_34" in shown) == (True, True, False)
    assert "macro F1  50.0 (50.0-50.0)" in shown


def test_options_of_evaluate_that_do_not_fit_are_one_line(labels: Path, sheet: Path) -> None:
    assert "exclude each other" in complaint(
        "evaluate", labels, "--sampled", sheet, "--truth", sheet
    )
    assert "--fit-thresholds cannot be used without --truth" in complaint(
        "evaluate", labels, "--sampled", sheet, "--fit-thresholds", "f1"
    )
    assert "holds no answer: write yes, no or ?" in complaint(
        "evaluate", labels, "--sampled", sheet
    )
    rows = fill(sheet)
    save(sheet, [row for row in rows if "above 1" not in row["how it was drawn (keep this)"]])
    assert "all rows of a stratum are gone" in complaint("evaluate", labels, "--sampled", sheet)


def test_info_knows_a_sheet_and_how_far_it_is(sheet: Path) -> None:
    fill(sheet, most=20)
    found = json.loads(run("info", sheet, "--json", "-").stdout)
    assert found["kind"] == "sheet of questions, for `evaluate --sampled`"
    assert found["answers"] == "40 of 100 questions"
    assert found["classes"] == {"cat": "20 of 50", "dog": "20 of 50"}
    sheet.write_text("image_path,label\na.jpg,cat\n")
    assert "is nothing that cdul-edge made" in complaint("info", sheet)


def test_the_verb_takes_strings_and_gives_a_result(tmp_path: Path, labels: Path) -> None:
    with pytest.warns(CdulEdgeWarning, match="20 of the 20 pictures drawn are not in photos"):
        result = sample_verb(scores=str(labels), out=str(tmp_path / "s.csv"), per_class=10)
    assert (result.questions, result.pictures) == ({"cat": 10, "dog": 10}, 400)
    with pytest.raises(CdulEdgeError, match="exists: choose another"):
        sample_verb(scores=str(labels), out=str(tmp_path / "s.csv"))
