"""A person answers, in a real browser: what is asked, kept, saved, and loaded again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cdul_edge
from cdul_edge.front.sampling import SampleRequest, sample
from cdul_edge.labels.observed import read_observed
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.sheet import Answer, read_sheet
from tests.fakes.chromium import NARROW_PX, OpenPage
from tests.reviewing.pages import asked, write_labels

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCORES = np.random.default_rng(0).uniform(0.02, 0.98, (20, 2)).astype(np.float32)
Open = Callable[..., OpenPage]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_labels(tmp_path, SCORES)


@pytest.fixture
def page(tmp_path: Path, labels: Path, open_page: Open) -> Iterator[Page]:
    """Four questions about two classes."""
    cdul_edge.review(labels=labels, out=tmp_path / "review.html", count=4)
    opened = open_page(tmp_path / "review.html")
    yield opened.page
    assert (opened.errors, opened.requests) == ([], [])


def status(page: Page) -> str:
    return page.inner_text("#status")


def save(page: Page, button: str, out: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    download.value.save_as(out)
    return out


def load(page: Page, file: Path, text: str) -> str:
    file.write_bytes(text.encode())
    before = status(page)
    page.set_input_files("#load", file)
    page.wait_for_function(
        "old => document.getElementById('status').textContent !== old", arg=before
    )
    return status(page)


def test_answers_by_keys_become_the_labels_that_train_reads(
    page: Page, tmp_path: Path, labels: Path
) -> None:
    questions = asked(tmp_path / "review.html")
    assert page.inner_text("#question") == f"Does this picture show: {questions[0][1]}?"
    assert page.inner_text("#told") == "The score is shown once you have answered."
    assert page.get_attribute("#picture", "alt") == f"Picture {questions[0][0]}"
    page.keyboard.press("y")
    assert f"{questions[0][1]}: yes; the label says " in status(page)
    for key in ("n", "u", "n", "?", "n"):
        page.keyboard.press(key)
    assert page.inner_text("#remaining") == "4 answered, 0 remain"
    assert "All questions of this part are answered" in status(page)
    file = save(page, "#save-observed", tmp_path / "observed.csv")
    stored = PseudoLabels.read(labels)
    observed = read_observed([file], stored.paths, stored.classes)
    signs = [
        int(observed[stored.paths.index(path), stored.classes.index(name)])
        for path, name in questions
    ]
    assert (signs, int(abs(observed).sum())) == ([1, -1, 0, -1], 3)


def test_answers_are_kept_for_later_or_the_page_says_that_they_are_not(page: Page) -> None:
    page.click("#no")
    page.keyboard.press("?")
    page.reload()
    assert page.inner_text("#remaining") == "2 answered, 2 remain"
    assert page.inner_text("#position") == "Question 3 of 4"
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute("#unsure", "aria-pressed") == "true"
    assert "Answers are kept in this browser" in page.inner_text("#kept")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    page.keyboard.press("y")
    assert "does not keep answers" in page.inner_text("#kept")


def test_two_tabs_keep_each_others_answers_and_each_undoes_its_own(
    page: Page, tmp_path: Path
) -> None:
    other = page.context.new_page()
    other.goto((tmp_path / "review.html").as_uri())
    page.keyboard.press("y")
    page.keyboard.press("n")
    for key in ("ArrowRight", "ArrowRight", "y"):
        other.keyboard.press(key)
    assert other.inner_text("#remaining") == "3 answered, 1 remain"
    page.reload()
    assert page.inner_text("#remaining") == "3 answered, 1 remain"
    page.keyboard.press("u")
    assert page.inner_text("#position") == "Question 2 of 4"
    page.reload()
    page.keyboard.press("u")
    assert page.inner_text("#remaining") == "1 answered, 3 remain"
    page.keyboard.press("u")
    assert status(page) == "There is nothing to undo."
    other.close()


def test_a_key_that_is_held_down_answers_once(page: Page) -> None:
    page.keyboard.down("y")
    page.keyboard.down("y")
    page.keyboard.up("y")
    assert page.inner_text("#remaining") == "1 answered, 3 remain"


def test_order_by_class_groups_them_and_keeps_the_question(page: Page, tmp_path: Path) -> None:
    names = [name for _, name in asked(tmp_path / "review.html")]
    shown = page.inner_text("#question")
    page.select_option("#order", "class")
    assert page.inner_text("#question") == shown
    seen = []
    while status(page) != "This is the last question.":
        seen.append(page.inner_text("#question").removeprefix("Does this picture show: ")[:-1])
        page.click("#next")
    assert seen == sorted(names, key=names.index)


def test_an_earlier_file_is_merged_and_contradictions_are_named(page: Page, tmp_path: Path) -> None:
    (first, name), (second, other), *_ = asked(tmp_path / "review.html")
    page.keyboard.press("y")
    rows = f'"{first}",-{name}\r\n{second},-{other}\r\nelsewhere.png,cat\r\n'
    said = load(page, tmp_path / "earlier.csv", f"image_path,label\r\n{rows}")
    assert "2 answers read, 1 of them new" in said
    assert f"1 contradict answers given here, which were kept: {name} in {first}." in said
    assert "1 are about other entries than this page's" in said
    assert page.inner_text("#remaining") == "2 answered, 2 remain"
    multi_hot = f"image_path,cat,dog\n{second},0,0\n"
    assert "0 of them new" in load(page, tmp_path / "columns.csv", multi_hot)


def test_another_file_is_refused_in_one_line(page: Page, tmp_path: Path) -> None:
    path, name = asked(tmp_path / "review.html")[0]
    cases = [
        ("image_path,label\nelsewhere.png,cat\n", "answers none of this page's questions"),
        ("image_path,label\nelsewhere.png,zebra\n", "“zebra”, which these labels do not have"),
        ("path;label\n", "is no file of answers"),
        ('image_path,label\n"a,dog\n', "a quote without its partner"),
        ("", "is no file of answers"),
        ("image_path,label\na,dog,cat\n", "rows of different lengths"),
        ("image_path,cat\na.png,7\n", "holds “7” where 1, 0 or nothing is expected"),
        ("image_path,cat\na.png,constructor\n", "holds “constructor” where 1, 0 or nothing"),
        (
            f"image_path,label\n{path},{name}\n{path},-{name}\n",
            f"contradicts itself on {name} in {path}",
        ),
    ]
    for text, message in cases:
        said = load(page, tmp_path / "given.csv", text)
        assert message in said
        assert said.startswith("given.csv ")
        assert said.endswith("Nothing was taken from it.")
        assert "\n" not in said
    assert page.inner_text("#remaining") == "0 answered, 4 remain"


def test_the_sheet_comes_back_as_evaluate_reads_it(
    tmp_path: Path, labels: Path, open_page: Open
) -> None:
    sheet, out = tmp_path / "sheet.csv", tmp_path / "review.html"
    sample(SampleRequest(scores=labels, out=sheet, per_class=6))
    cdul_edge.review(labels=labels, out=out, count=3, sheet=sheet)
    page = open_page(out).page
    assert save(page, "#save-sheet", tmp_path / "empty.csv").read_bytes() == sheet.read_bytes()
    page.select_option("#part", "sheet")
    assert page.inner_text("#position") == "Question 1 of 12"
    for key in "yn?":
        page.keyboard.press(key)
    before = read_sheet(sheet)
    filled = save(page, "#save-sheet", tmp_path / "filled.csv")
    given: tuple[Answer | None, ...] = ("yes", "no", "?", *[None] * 9)
    assert read_sheet(filled) == tuple(
        replace(one, answer=answer) for one, answer in zip(before, given, strict=True)
    )
    page.evaluate("localStorage.clear()")
    page.reload()
    respelled = filled.read_text("utf-8").replace(",yes,", ",Ja,").replace(",no,", ",0,")
    assert "3 answers read, 3 of them new" in load(page, tmp_path / "again.csv", respelled)


def test_the_page_is_accessible_narrow_and_dark_and_says_when_scripts_are_off(
    tmp_path: Path, labels: Path, open_page: Open
) -> None:
    sheet, out = tmp_path / "sheet.csv", tmp_path / "review.html"
    sample(SampleRequest(scores=labels, out=sheet, per_class=6))
    cdul_edge.review(labels=labels, out=out, count=3, sheet=sheet)
    opened = open_page(out)
    assert opened.violations() == []
    opened.page.keyboard.press("y")
    opened.show(width=NARROW_PX, colors="dark")
    assert (opened.violations(), opened.overflow_px()) == ([], 0)
    assert "allow JavaScript" in open_page(out, scripts=False).page.inner_text("main")


def test_names_that_are_programs_stay_text(tmp_path: Path, open_page: Open) -> None:
    classes = ("<script>alert(1)</script>", "a,b")
    paths = ('<img src=x onerror="throw 1">, "q".png', "-1.png")
    labels = write_labels(tmp_path, [[0.5, 0.4], [0.6, 0.3]], classes=classes, paths=paths)
    cdul_edge.review(labels=labels, out=tmp_path / "review.html")
    opened = open_page(tmp_path / "review.html")
    page = opened.page
    shown = set()
    for _ in range(4):
        shown.add((page.inner_text("#path"), page.inner_text("#question")))
        page.keyboard.press("y")
    wanted = {(path, f"Does this picture show: {name}?") for path in paths for name in classes}
    assert shown == wanted
    stored = PseudoLabels.read(labels)
    file = save(page, "#save-observed", tmp_path / "observed.csv")
    assert read_observed([file], stored.paths, stored.classes).tolist() == [[1, 1], [1, 1]]
    assert (opened.errors, opened.requests) == ([], [])
