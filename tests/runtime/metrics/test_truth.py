from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.metrics.truth import TruthTable, read_truth

TWO = ClassList(("cat", "dog"))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def table(*paths: str) -> TruthTable:
    labels = np.tile(np.array([1, 0], dtype=np.int8), (len(paths), 1))
    return TruthTable(("cat", "dog"), paths, labels)


def test_multi_hot_csv_keeps_unknown_entries_and_the_columns_order(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "image_path,cat,dog\na.jpg,1,0\nb.jpg,-1,1\nc.jpg,,0\n")
    truth = read_truth(file)
    assert truth.classes == ("cat", "dog")
    assert truth.paths == ("a.jpg", "b.jpg", "c.jpg")
    assert truth.labels.tolist() == [[1, 0], [-1, 1], [-1, 0]]


def test_label_csv_splits_comma_joined_names(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", 'image_path,label\na.jpg,"dog, cat"\nb.jpg,dog\nc.jpg,\n')
    truth = read_truth(file)
    assert truth.classes == ("cat", "dog")
    assert truth.labels.tolist() == [[1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(("difficult", "label"), [("negative", 0), ("ignore", -1), ("positive", 1)])
def test_voc_objects_that_are_all_difficult_follow_the_option(
    tmp_path: Path, difficult: str, label: int
) -> None:
    def thing(name: str, hard: int) -> str:
        return f"<object><name>{name}</name><difficult>{hard}</difficult></object>"

    write(
        tmp_path / "1.xml",
        f"<annotation><filename>1.jpg</filename>{thing('cat', 1)}{thing('dog', 1)}"
        f"{thing('dog', 0)}</annotation>",
    )
    write(tmp_path / "2.xml", f"<annotation>{thing('cat', 0)}</annotation>")
    truth = read_truth(tmp_path, difficult=difficult)  # type: ignore[arg-type]
    assert truth.paths == ("1.jpg", "2")
    assert truth.labels.tolist() == [[label, 1], [1, 0]]


def test_coco_columns_follow_category_ids_not_their_order(tmp_path: Path) -> None:
    content = {
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
        "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 7, "category_id": 9}, {"image_id": 7, "category_id": 9}],
    }
    truth = read_truth(write(tmp_path / "instances.json", json.dumps(content)))
    assert truth.classes == ("cat", "dog")
    assert truth.labels.tolist() == [[0, 0], [0, 1]]


def test_npz_reads_names_classes_labels(tmp_path: Path) -> None:
    labels = np.array([[1, -1]], dtype=np.int8)
    np.savez(tmp_path / "t.npz", names=["2008_1"], classes=["cat", "dog"], labels=labels)
    truth = read_truth(tmp_path / "t.npz")
    assert truth.for_paths(["x/2008_1.jpg"], TWO).tolist() == [[1, -1]]


def test_npz_names_may_be_bytes_or_numbers(tmp_path: Path) -> None:
    labels = np.array([[1, 0]], dtype=np.int8)
    for names, classes in (([b"7"], [b"cat", b"dog"]), ([7], ["cat", "dog"])):
        np.savez(tmp_path / "t.npz", names=names, classes=classes, labels=labels)
        assert read_truth(tmp_path / "t.npz").for_paths(["x/7.jpg"], TWO).tolist() == [[1, 0]]
    np.savez(tmp_path / "t.npz", names=[b"\xff"], classes=["cat", "dog"], labels=labels)
    with pytest.raises(CdulEdgeError, match="names are not UTF-8"):
        read_truth(tmp_path / "t.npz")


def test_rows_follow_the_asked_pictures_and_columns_the_asked_classes() -> None:
    truth = TruthTable(
        ("dining-table", "Cat"), ("a.jpg", "b.jpg"), np.array([[1, 0], [0, 1]], dtype=np.int8)
    )
    asked = truth.for_paths(["b.jpg", "z.jpg", "a.jpg"], ClassList(("cat", "diningtable")))
    assert asked.tolist() == [[1, 0], [-1, -1], [0, 1]]


def test_an_exact_path_wins_over_the_same_file_name_elsewhere() -> None:
    assert table("x/1.jpg", "y/1.jpg").for_paths(["y/1.jpg"], TWO).tolist() == [[1, 0]]


def test_of_two_equal_file_names_the_one_with_the_same_folder_is_meant() -> None:
    truth = TruthTable(
        ("cat", "dog"), ("x/1.jpg", "y/1.jpg"), np.array([[1, 0], [0, 1]], dtype=np.int8)
    )
    assert truth.for_paths(["/home/me/y/1.jpg"], TWO).tolist() == [[0, 1]]


def test_an_id_with_a_dot_matches_by_stem() -> None:
    assert table("2008.17").for_paths(["deep/2008.17.JPG"], TWO).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("truth", "asked", "message"),
    [
        (table("x/1.jpg", "y/1.jpg"), ["1.jpg"], "several pictures for '1.jpg' by file name"),
        (table("x/1.jpg", "y/1.jpg"), ["z/1.jpg"], "folders differ, such as 'x/1.jpg' for 'z/1"),
        (table("1.jpg"), ["x/1.jpg", "y/1.jpg"], "both fit one picture"),
        (table("1.jpg"), ["2.jpg"], "names none of the 1 pictures"),
    ],
)
def test_a_match_that_is_not_clear_is_an_error(
    truth: TruthTable, asked: list[str], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        truth.for_paths(asked, TWO)


def test_a_class_the_truth_lacks_is_named() -> None:
    with pytest.raises(CdulEdgeError, match="no class 'cow'"):
        table("1.jpg").for_paths(["1.jpg"], ClassList(("cat", "cow")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image_path,bird,fish\na.jpg,1,0\n", "it has bird, fish; give the truth of these classes"),
        ("image_path,label\na.jpg,bird\n", "it has bird; give the truth of these classes"),
        ("image_path,label\na.jpg,\n", "it has no classes at all; give the truth of these"),
        ("image_path,cat\na.jpg,1\n", "no class 'dog': it has cat; a class that no picture shows"),
        ("image_path,cat,dog\nx.jpg,1,0\n", "names none of the 1 pictures: it has such as 'x.jpg'"),
        ("image_path,cat,dog\na.jpg,-1,\n", "knows no class of any of the 1 pictures"),
    ],
)
def test_truth_of_something_else_is_one_line_that_names_the_file(
    tmp_path: Path, content: str, message: str
) -> None:
    file = write(tmp_path / "t.csv", content)
    with pytest.raises(CdulEdgeError, match=message) as raised:
        read_truth(file).for_paths(["a.jpg"], TWO)
    assert str(raised.value).startswith(f"the truth {file} ")
    assert "\n" not in str(raised.value)


def test_classes_that_were_not_asked_for_do_not_matter(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "image_path,bird,dog,cat\na.jpg,1,0,1\n")
    assert read_truth(file).for_paths(["a.jpg"], TWO).tolist() == [[1, 0]]


def test_a_class_that_a_list_of_names_never_names_is_absent_and_said(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", 'image_path,label\na.jpg,"dog,cat"\nb.jpg,hen\n')
    asked = ClassList(("cow", "cat"))
    with pytest.warns(CdulEdgeWarning, match=r"names cow in no picture.*it names dog, hen"):
        labels = read_truth(file).for_paths(["b.jpg", "z.jpg", "a.jpg"], asked)
    # z.jpg is not in the truth: nothing is known of it, of cow neither.
    assert labels.tolist() == [[0, 0], [-1, -1], [0, 1]]


def test_a_class_that_no_annotation_shows_is_absent_and_said(tmp_path: Path) -> None:
    cat = "<object><name>cat</name></object>"
    write(tmp_path / "1.xml", f"<annotation><filename>1.jpg</filename>{cat}</annotation>")
    with pytest.warns(CdulEdgeWarning, match=r"names dog in no picture, so all count as absent$"):
        labels = read_truth(tmp_path).for_paths(["1.jpg"], TWO)
    assert labels.tolist() == [[1, 0]]


def test_a_list_of_quite_other_names_is_an_error_and_not_all_absent(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "image_path,label\na.jpg,Katze\n")
    with pytest.raises(CdulEdgeError, match="no class 'cat', 'dog': it has Katze"):
        read_truth(file).for_paths(["a.jpg"], TWO)


def test_a_format_that_can_name_an_absent_class_must(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "image_path,cat\na.jpg,1\n")
    coco = {"categories": [{"id": 1, "name": "cat"}], "images": [], "annotations": []}
    write(tmp_path / "t.json", json.dumps(coco))
    np.savez(tmp_path / "t.npz", names=["a"], classes=["cat"], labels=np.ones((1, 1), np.int8))
    for name in ("t.csv", "t.json", "t.npz"):
        with pytest.raises(CdulEdgeError, match="no class 'dog'"):
            read_truth(tmp_path / name).for_paths(["a.jpg"], TWO)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "path,cat\na.jpg,1\n", "expected image_path"),
        ("t.csv", "", "is empty, expected image_path,label"),
        ("t.csv", "image_path,cat\na.jpg,2\n", "row 2 holds '2'"),
        ("t.csv", "image_path,label\na.jpg,cat,dog\n", "row 2 has 3 fields"),
        ("t.csv", "image_path,cat\na.jpg,1\na.jpg,1\n", "'a.jpg' twice"),
        ("t.json", "{}", "not a COCO instances file"),
        ("t.json", "{", "not valid JSON"),
        ("t.npz", "junk", "not a readable NPZ"),
        ("t.txt", "", "is not truth"),
    ],
)
def test_a_faulty_file_is_named_with_its_fault(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message) as caught:
        read_truth(write(tmp_path / name, text))
    assert name in str(caught.value)


def test_an_npz_that_lacks_an_array_says_which(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", names=["1"], classes=["cat", "dog"])
    with pytest.raises(CdulEdgeError, match="no array labels"):
        read_truth(tmp_path / "t.npz")


def test_a_folder_without_annotations_and_a_cut_one_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match=r"no \.xml files"):
        read_truth(tmp_path)
    write(tmp_path / "1.xml", "<annotation>")
    with pytest.raises(CdulEdgeError, match=r"1\.xml is not valid XML"):
        read_truth(tmp_path)
