"""The page of questions: what it asks, what it leaves out, and what is refused."""

from __future__ import annotations

import html
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import cdul_edge
from cdul_edge.cli import app
from cdul_edge.front.sampling import SampleRequest, sample
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.sheet import read_sheet, write_sheet
from cdul_edge.storage.location import Url
from cdul_edge_runtime.errors import CdulEdgeWarning
from tests.reviewing.pages import asked, data_of, write_labels

SCORES = np.random.default_rng(0).uniform(0.02, 0.98, (20, 2)).astype(np.float32)


def run(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(app, ["review", *map(str, arguments)])


def complaint(*arguments: str | Path | int) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.strip().splitlines()
    return line


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_labels(tmp_path, SCORES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "review.html"


def test_a_page_asks_so_many_questions_and_is_the_same_when_made_again(
    labels: Path, out: Path
) -> None:
    result = run(labels, "--out", out, "--count", 5)
    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    assert "5 questions about 2 classes" in result.stderr
    first = out.read_bytes()
    assert len(set(asked(out))) == len(asked(out)) == 5
    assert f"{out} exists" in complaint(labels, "--out", out)
    run(labels, "--out", out, "--count", 5, "--force")
    assert out.read_bytes() == first


def test_answers_that_were_given_are_not_asked_for_again(labels: Path, out: Path) -> None:
    cdul_edge.review(labels=labels, out=out, count=6)
    before, given = asked(out), out.with_name("observed.csv")
    given.write_text(
        "image_path,label\n" + "".join(f"{path},-{name}\n" for path, name in before), "utf-8"
    )
    cdul_edge.review(labels=labels, out=out, count=6, observed=str(given), force=True)
    assert not set(before) & set(asked(out))


def test_only_classes_that_were_named(labels: Path, out: Path) -> None:
    result = cdul_edge.review(labels=labels, out=out, class_names=("dog",), count=30)
    assert result.entries == {"dog": 20}
    assert "no class 'zebra'" in complaint(labels, "--out", out, "--class", "zebra", "--force")


def test_answers_about_other_pictures_of_the_same_names_are_kept_apart(
    labels: Path, out: Path, tmp_path: Path
) -> None:
    pages = [out, tmp_path / "again.html", tmp_path / "others.html"]
    cdul_edge.review(labels=labels, out=pages[0], count=1)
    cdul_edge.review(labels=labels, out=pages[1], count=1)
    for file in (tmp_path / "photos").iterdir():
        Image.new("RGB", (40, 30), "blue").save(file)
    cdul_edge.review(labels=labels, out=pages[2], count=1)
    first, again, others = (data_of(page) for page in pages)
    assert first == again
    assert (first.questions == others.questions, first.key == others.key) == (True, False)


def test_more_than_there_are_is_said(labels: Path, out: Path) -> None:
    stderr = run(labels, "--out", out, "--count", 500).stderr
    assert "there are 40 entries to ask about, fewer than --count 500" in stderr


def test_without_pictures_nobody_can_answer(labels: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").rename(tmp_path / "moved")
    line = complaint(labels, "--out", out)
    assert "none of the 20 labeled pictures can be shown" in line
    assert f"is not in {tmp_path / 'photos'}; give the folder they lie in now as --images" in line
    assert "does not exist" in complaint(labels, "--out", out, "--images", tmp_path / "nowhere")
    assert run(labels, "--out", out, "--images", tmp_path / "moved").exit_code == 0


def test_pictures_that_are_missing_or_damaged_are_left_out(
    labels: Path, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "3.png").unlink()
    (tmp_path / "photos" / "5.png").write_bytes(b"no picture")
    with pytest.warns(CdulEdgeWarning, match="2 of 20 labeled pictures are left out"):
        result = cdul_edge.review(labels=labels, out=out, count=40)
    assert not {"3.png", "5.png"} & {path for path, _ in asked(out)}
    assert (result.missing, result.pictures, len(asked(out))) == (2, 18, 36)


def test_pictures_elsewhere_are_found_by_their_stems(out: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path, SCORES)
    moved = tmp_path / "elsewhere" / "deep"
    moved.mkdir(parents=True)
    for row in range(4):
        (tmp_path / "photos" / f"{row}.png").rename(moved / f"{row}.PNG")
    with pytest.warns(CdulEdgeWarning, match="16 of 20 labeled pictures"):
        cdul_edge.review(labels=labels, out=out, images=tmp_path / "elsewhere")
    assert {path for path, _ in asked(out)} == {"0.png", "1.png", "2.png", "3.png"}


def test_predictions_need_a_folder_of_pictures(out: Path, tmp_path: Path) -> None:
    write_labels(tmp_path, SCORES)
    file = tmp_path / "predictions.csv"
    file.write_text("image_path,cat,dog\n0.png,0.4,0.6\n1.png,0.1,0.9\n", "utf-8")
    assert "where they lie is not said: give a folder of this machine" in complaint(
        file, "--out", out
    )
    assert run(file, "--out", out, "--images", tmp_path / "photos").exit_code == 0
    assert len(asked(out)) == 4
    photos = str(tmp_path / "photos")
    assert shows(out, "train", "LABELS", "--images", photos, "--observed", "observed.csv")


def test_labels_of_pictures_in_a_store_need_a_folder_of_them(out: Path, tmp_path: Path) -> None:
    stored = PseudoLabels.read(write_labels(tmp_path, SCORES))
    labels = tmp_path / "stored.parquet"
    replace(stored, root=Url("s3://bucket/photos")).write(labels)
    line = complaint(labels, "--out", out)
    assert "where they lie is s3://bucket/photos: give a folder of this machine" in line
    assert run(labels, "--out", out, "--images", tmp_path / "photos").exit_code == 0


def test_the_page_names_the_commands_that_take_its_answers(labels: Path, out: Path) -> None:
    cdul_edge.review(labels=labels, out=out)
    assert shows(out, "train", str(labels), "--observed", "observed.csv", "--out", "run")
    labels.with_name("photos").joinpath("3.png").unlink()
    with pytest.warns(CdulEdgeWarning, match="1 of 20 labeled pictures are left out"):
        cdul_edge.review(labels=labels, out=out, force=True)
    assert shows(out, "train", str(labels), "--only", "present", "--observed", "observed.csv")


def shows(page: Path, *words: str) -> bool:
    """Whether a page shows a command that begins so."""
    return shlex.join(["cdul-edge", *words]) in html.unescape(page.read_text("utf-8"))


def test_names_and_paths_stand_in_the_page_as_text_alone(out: Path, tmp_path: Path) -> None:
    classes = ("</script><script>alert(1)</script>", "<!--\u2028-->")
    paths = ("a'\"<img src=x onerror=alert(1)>.png", "new\nline.png", "é.png")
    labels = write_labels(tmp_path, SCORES[:3], classes=classes, paths=paths)
    with pytest.warns(CdulEdgeWarning, match="has a name that no CSV of answers can hold"):
        cdul_edge.review(labels=labels, out=out)
    assert {path for path, _ in asked(out)} == {paths[0], paths[2]}
    assert {name for _, name in asked(out)} == set(classes)
    text = out.read_text("utf-8")
    assert "alert(1)</script>" not in text
    assert "<img src=x" not in text


def test_a_path_that_is_no_utf_8_is_left_out_and_told(out: Path, tmp_path: Path) -> None:
    photos = write_labels(tmp_path, SCORES[:2]).parent / "photos"
    try:
        (photos / "0.png").rename(photos / "\udcff.png")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    file = tmp_path / "predictions.jsonl"
    row = '{"path": "%s", "labels": ["dog"], "scores": {"cat": 0.4, "dog": 0.6}}\n'
    file.write_text(row % "\\udcff.png" + row % "1.png", "utf-8")
    result = run(file, "--out", out, "--images", photos)
    assert result.exit_code == 0
    assert "1 of 2 labeled pictures are left out" in result.stderr
    assert {path for path, _ in asked(out)} == {"1.png"}


def test_two_contradicting_files_and_one_of_another_set_are_refused(
    labels: Path, out: Path, tmp_path: Path
) -> None:
    files = {"yes": "0.png,dog", "no": "0.png,-dog", "other": "z.png,dog", "class": "0.png,fox"}
    for name, row in files.items():
        files[name] = str(tmp_path / f"{name}.csv")
        Path(files[name]).write_text(f"image_path,label\n{row}\n", "utf-8")
    given = ("--observed", files["yes"], "--observed", files["no"])
    assert "contradict each other on 1 label(s)" in complaint(labels, "--out", out, *given)
    line = complaint(labels, "--out", out, "--observed", files["other"])
    assert "not among the 20 labeled ones (such as 'z.png')" in line
    assert "names 'fox'" in complaint(labels, "--out", out, "--observed", files["class"])
    assert not out.exists()


def test_unfinished_labels_and_a_page_inside_them_are_refused(
    out: Path, tmp_path: Path, labels: Path
) -> None:
    (tmp_path / "half").mkdir()
    assert "half" in complaint(tmp_path / "half", "--out", out)
    assert "does not exist" in complaint(tmp_path / "none", "--out", out)
    line = complaint(tmp_path / "half", "--out", tmp_path / "half" / "review.html")
    assert "is inside" in line
    out.write_text("<p>mine</p>", "utf-8")
    assert "mine" not in complaint(labels, "--out", out, "--force")
    assert out.read_text("utf-8") == "<p>mine</p>"


def test_a_sheet_adds_its_questions_and_those_of_both_parts_are_asked_once(
    labels: Path, out: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.csv"
    sample(SampleRequest(scores=labels, out=sheet, per_class=6))
    drawn = read_sheet(sheet)
    write_sheet(sheet, (replace(drawn[0], answer="no"), *drawn[1:]))
    result = cdul_edge.review(labels=labels, out=out, count=40, sheet=sheet)
    data = data_of(out)
    given = [one.answer for one in data.questions]
    assert given[asked(out).index((drawn[0].path, drawn[0].name))] == "no"
    assert sum(one is not None for one in given) == 1
    assert result.sheet_questions == len(data.rows) == 12
    assert len(asked(out)) == 40  # all entries are in the first part
    for row, number in zip(data.rows, data.of_row, strict=True):
        assert number is not None
        path, name = asked(out)[number]
        assert row[0].removeprefix("'") == path
        assert row[1] == name


def test_a_sheet_of_other_scores_is_refused(labels: Path, out: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sample(SampleRequest(scores=labels, out=sheet, per_class=6))
    (tmp_path / "other").mkdir()
    other = write_labels(tmp_path / "other", SCORES * 0.9)
    line = complaint(other, "--out", out, "--sheet", sheet)
    assert "was drawn from other scores than these: the score of" in line
    few = write_labels(tmp_path / "other", SCORES[:4])
    assert "these have no picture" in complaint(few, "--out", out, "--sheet", sheet)


@pytest.mark.parametrize("count", [0, 5_001])
def test_a_count_that_nobody_can_answer_is_refused(labels: Path, out: Path, count: int) -> None:
    assert "ask about 1 to 5,000 entries" in complaint(labels, "--out", out, "--count", count)
