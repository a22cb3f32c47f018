"""Labels that people gave: three forms in, one table out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cdul_edge.labels.observed import read_answers, read_observed
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

PATHS = ("a/1.jpg", "a/2.jpg", "b/3.jpg")
CLASSES = ClassList(("cat", "traffic light", "dog"))
Read = Callable[[str], list[list[int]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The observed labels of a CSV with this text."""

    def of(text: str) -> list[list[int]]:
        file = tmp_path / "seen.csv"
        file.write_text(text, encoding="utf-8")
        found: list[list[int]] = read_observed([file], PATHS, CLASSES).tolist()
        return found

    return of


def test_multi_hot_rows_and_columns_may_come_in_any_order(read: Read) -> None:
    found = read("Dog,image_path,cat\n0,b/3.jpg,1\n,a/1.jpg,-1\n1,2,0\n")
    assert found == [[0, 0, 0], [-1, 0, 1], [1, 0, -1]]


def test_named_classes_are_there_and_those_with_a_hyphen_are_not(read: Read) -> None:
    text = 'image_path,label\n1.jpg,"cat, -dog"\na/2.jpg,-traffic_light\nb/3.jpg,\n'
    assert read(text) == [[1, 0, -1], [0, -1, 0], [0, 0, 0]]


def test_a_picture_may_have_several_rows(read: Read) -> None:
    text = "image_path,label\n1.jpg,cat\n1.jpg,-dog\n1.jpg,cat\n"
    assert read(text) == [[1, 0, -1], [0, 0, 0], [0, 0, 0]]
    assert read("image_path,cat,dog\n1.jpg,1,\n1.jpg,1,0\n")[0] == [1, 0, -1]


def test_of_two_classes_that_differ_in_a_hyphen_each_is_itself(tmp_path: Path) -> None:
    classes, file = ClassList(("fire-truck", "fire truck")), tmp_path / "seen.csv"
    file.write_text("image_path,fire-truck,fire truck\na/1.jpg,1,0\n", encoding="utf-8")
    assert read_observed([file], PATHS, classes)[0].tolist() == [1, -1]


def test_npz_has_the_values_of_truth(tmp_path: Path) -> None:
    labels = np.array([[1, -1], [0, 1]], dtype=np.int8)
    np.savez(tmp_path / "s.npz", names=["2", "3"], classes=["dog", "cat"], labels=labels)
    found = read_observed([tmp_path / "s.npz"], PATHS, CLASSES)
    assert found.tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, -1]]
    assert found.dtype == np.int8


def test_a_class_whose_name_begins_with_a_hyphen_is_itself(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text('image_path,label\n1.jpg,"-18, -adult"\n')
    found = read_observed([tmp_path / "s.csv"], PATHS, ClassList(("-18", "adult")))
    assert found[0].tolist() == [1, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_path,label\n9.jpg,cat\n8.jpg,dog\n", r"2 picture\(s\) that are not among the 3"),
        (
            "image_path,label\n1.jpg,cow\n",
            "names 'cow', which is no class of the labels: their 3 classes include cat",
        ),
        ("image_path,label\n1.jpg,-cow\n", "names 'cow', which is no class"),
        ("image_path,label\n1.jpg,#NAME?\n", "a spreadsheet puts where it takes '-dog' for a f"),
        ("image_path,cow,pig\n1.jpg,1,0\n", "names 'cow', 'pig', which are no classes"),
        ('image_path,label\n1.jpg,"cat,-cat"\n', r"1 label\(s\): 'cat' is both there and not th"),
        ("image_path,cat\n1.jpg,1\n1.jpg,0\n", r"'cat' is both there and not there in 'a/1.jpg'"),
        ("image_path,cat,CAT\n1.jpg,1,0\n", "contradicts itself"),
        ("image_path,cat\n1.jpg,\n2.jpg,-1\n", "nothing is known in it"),
        ("image_path,label\n", "nothing is known in it"),
        ("image_path,cat\n1.jpg,2\n", "row 2 holds '2', expected 1"),
        ("picture,cat\n1.jpg,2\n", "begins with 'picture,cat'"),
        ("image_path,cat\n1.jpg,1\na/1.jpg,1\n", "both fit one picture of the label file"),
    ],
)
def test_a_faulty_file_is_one_line(read: Read, text: str, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=rf"seen\.csv.*{message}") as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_a_name_that_fits_two_labelled_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("image_path,label\n1.jpg,cat\n")
    with pytest.raises(CdulEdgeError, match=r"the label file has several pictures for '1\.jpg'"):
        read_observed([tmp_path / "s.csv"], ("a/1.jpg", "b/1.jpg"), CLASSES)


def test_a_path_from_the_root_is_that_picture_and_no_deeper_one(tmp_path: Path) -> None:
    root, file = tmp_path / "photos", tmp_path / "s.csv"
    file.write_text(f"image_path,cat\n{root}/1.jpg,1\n{root}/photos/1.jpg,0\n1.jpg,1\n")
    paths = ("photos/1.jpg", "1.jpg")
    found = read_observed([file], paths, CLASSES, root)
    assert found.tolist() == [[-1, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "are not a file: check the path"), ("seen.json", r"expected \.csv or \.npz")],
)
def test_no_file_and_another_kind_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "seen.json").write_text("{}")
    with pytest.raises(CdulEdgeError, match=message):
        read_observed([tmp_path / name], PATHS, CLASSES)


def test_an_npz_of_other_shapes_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", names=["1"], classes=["cat"], labels=np.ones((2, 1), np.int8))
    with pytest.raises(CdulEdgeError, match=r"1 names and 1 classes do not fit labels \(2, 1\)"):
        read_observed([tmp_path / "s.npz"], PATHS, CLASSES)


@pytest.fixture
def sheets(tmp_path: Path) -> Callable[..., list[Path]]:
    """CSV files a.csv, b.csv, ... of `image_path,label`, one for each list of rows."""

    def write(*texts: str) -> list[Path]:
        files = [tmp_path / f"{name}.csv" for name in "abc"[: len(texts)]]
        for file, text in zip(files, texts, strict=True):
            file.write_text(f"image_path,label\n{text}")
        return files

    return write


def test_several_files_are_one_and_may_say_the_same(sheets: Callable[..., list[Path]]) -> None:
    files = sheets("1.jpg,cat\n2.jpg,-dog\n", "2.jpg,-dog\n3.jpg,dog\n", "1.jpg,-dog\n")
    found = read_observed(files, PATHS, CLASSES)
    assert found.tolist() == [[1, 0, -1], [0, 0, -1], [0, 0, 1]]
    assert np.array_equal(read_observed(files[::-1], PATHS, CLASSES), found)


def test_files_that_contradict_each_other_are_both_named(
    sheets: Callable[..., list[Path]],
) -> None:
    files = sheets("1.jpg,-cat\n3.jpg,dog\n", "1.jpg,cat\n2.jpg,cat\n3.jpg,-dog\n")
    message = (
        r"b\.csv and \S+a\.csv contradict each other on 2 label\(s\): 'cat' is there in "
        r"'a/1\.jpg' by the first and not by the second: keep one of the two$"
    )
    with pytest.raises(CdulEdgeError, match=message):
        read_observed(files, PATHS, CLASSES)


def test_the_file_that_is_at_fault_is_named(sheets: Callable[..., list[Path]]) -> None:
    with pytest.raises(CdulEdgeError, match=r"b\.csv names 'cow', which is no class"):
        read_observed(sheets("1.jpg,cat\n", "1.jpg,cow\n"), PATHS, CLASSES)
    with pytest.raises(CdulEdgeError, match=r"b\.csv names 1 picture\(s\) that are not among"):
        read_observed(sheets("1.jpg,cat\n", "9.jpg,cat\n"), PATHS, CLASSES)


def test_pictures_are_found_among_those_that_share_a_stem(
    sheets: Callable[..., list[Path]],
) -> None:
    given = read_answers(sheets("x/1.jpg,cat\n3,-dog\n"), CLASSES)
    assert given.stems == {"1", "3"}
    found = given.find(["b/3.jpg", "x/1.jpg", "y/1.jpg"], count=1000)
    entries = zip(found.rows, found.columns, found.present, strict=True)
    assert [tuple(map(int, entry)) for entry in entries] == [(0, 2, 0), (1, 0, 1)]
    with pytest.raises(CdulEdgeError, match=r"not among the 1000 labeled"):
        given.find(["b/3.jpg"], count=1000)
