"""Every name that a page asks about comes back from its CSV as what it was."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cdul_edge.labels.observed import read_observed
from cdul_edge.reviewing.answer_file import choose_form, columns_of, is_sayable
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

PATHS = ('a, "b".jpg', "-1.jpg", "=2.jpg", "ü;3.jpg")


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("dog", "traffic light"), "names"),
        (("dog, small", "dog"), "columns"),
        (("dog;cat", "a|b"), "columns"),
        (("-dog", "cat"), "columns"),
        (("-dog", "dog"), "columns"),
        (('"quoted"', "<script>alert(1)</script>"), "names"),
        (("label", "a,b"), "columns"),
        (("fire-truck", "fire truck"), "names"),
        (("image_path", "dog"), "names"),
    ],
)
def test_train_reads_each_name_as_it_was_meant(
    tmp_path: Path, names: tuple[str, ...], form: str
) -> None:
    classes = ClassList(names)
    for asked in (names, names[:1]):
        for path in PATHS:
            assert choose_form(asked, classes) in (form, "names")
            rows = write(asked[0], path, classes, choose_form(asked, classes), asked)
            file = tmp_path / "observed.csv"
            with file.open("w", encoding="utf-8", newline="") as opened:
                csv.writer(opened).writerows(rows)
            found = read_observed([file], PATHS, classes)
            assert found[PATHS.index(path)].tolist() == [-1, 0]
            assert abs(found).sum() == 1


def write(
    name: str, path: str, classes: ClassList, form: str, asked: tuple[str, ...]
) -> list[list[str]]:
    """The answer "no" as the page's script writes it."""
    if form == "names":
        return [["image_path", "label"], [path, f"-{name}"]]
    columns = columns_of(asked, classes)
    return [["image_path", *columns], [path, *("0" if one == name else "" for one in columns)]]


def test_a_class_that_neither_form_can_say_is_refused_unless_it_is_not_asked_about() -> None:
    classes = ClassList(("image_path", "a,b", "dog"))
    with pytest.raises(CdulEdgeError, match="no CSV of answers can name the class 'image_path'"):
        choose_form(classes.names, classes)
    assert choose_form(("a,b", "dog"), classes) == "columns"


@pytest.mark.parametrize(
    ("path", "sayable"),
    [
        ("a b.jpg", True),
        ('"', True),
        ("a\nb.jpg", False),
        ("a\r.jpg", False),
        (" a.jpg", False),
        ("\udcff", False),
    ],
)
def test_a_row_cannot_hold_every_path(path: str, sayable: bool) -> None:
    assert is_sayable(path) is sayable
