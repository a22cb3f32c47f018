"""Labels in one field, however they are joined; and rows that a stray quote swallowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import read_truth

SEA = ClassList(("fish", "flower", "boat"))


def write(tmp_path: Path, *rows: str, encoding: str = "utf-8") -> Path:
    file = tmp_path / "truth.csv"
    file.write_text("\n".join(rows) + "\n", encoding=encoding)
    return file


@pytest.mark.parametrize(
    "joined", ["fish|flower", "fish;flower", "flower | fish", '"fish, flower"']
)
def test_bars_semicolons_and_commas_join_names(tmp_path: Path, joined: str) -> None:
    file = write(tmp_path, "image_path,label", f"1.jpg,{joined}", "2.jpg,boat", "3.jpg,")
    truth = read_truth(file).for_paths(["1.jpg", "2.jpg", "3.jpg"], SEA)
    assert truth.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    "joined",
    ["fish/flower", "fish+flower", "fish & flower", "fish and flower", "fish flower"]
    + ["fish_flower", "fish\tflower", "['fish']", "fish/kraken", "fish. flower"],
)
def test_names_joined_in_another_way_are_refused_and_not_a_class(
    tmp_path: Path, joined: str
) -> None:
    file = write(tmp_path, "image_path,label", f"1.jpg,{joined}", "2.jpg,boat", "3.jpg,fish")
    with pytest.raises(CdulEdgeError, match="several classes in one: join names with commas"):
        read_truth(file).for_paths(["1.jpg", "2.jpg"], SEA)


def test_names_that_only_begin_like_a_class_are_other_classes(tmp_path: Path) -> None:
    rows = ("1.jpg,fish finger", "2.jpg,boat", "3.jpg,flower", "4.jpg,fish", "5.jpg,boat-house")
    file = write(tmp_path, "image_path,label", *rows)
    assert read_truth(file).for_paths(["1.jpg"], SEA).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (["1.jpg,0", '"2.jpg,1', "3.jpg,1"], "row 3 is not valid CSV .*stray quote"),
        (["1.jpg,0", '2.jpg,"1', "3.jpg,1", '4.jpg,0"'], "row 3 holds a line break"),
        ([",1"], "row 2 has an empty image_path"),
        (["1.jpg,1,0"], "row 2 has 3 fields, expected 2"),
        (["./1.jpg,1", "1.jpg,1"], "names the picture '1.jpg' twice"),
        (["1.jpg,maybe"], "row 2 holds 'maybe'"),
        (["1.jpg,\0"], "zero byte in line 2"),
        (["1.jpg," + "1" * 200_000], "row 2 is not valid CSV .*field limit"),
    ],
)
def test_a_damaged_row_is_refused_with_its_line(
    tmp_path: Path, rows: list[str], fault: str
) -> None:
    with pytest.raises(CdulEdgeError, match=fault) as caught:
        read_truth(write(tmp_path, "image_path,cat", *rows))
    assert "\n" not in str(caught.value)


def test_headers_are_read_with_spaces_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = write(tmp_path, " image_path , cat,dog", "1.jpg,1,0", encoding="utf-8-sig")
    assert read_truth(file).classes == ("cat", "dog")
    with pytest.raises(CdulEdgeError, match="column without a name"):
        read_truth(write(tmp_path, "image_path,cat,", "1.jpg,1,0"))


@pytest.mark.parametrize("sign", [";", "\t"])
def test_what_a_spreadsheet_saved_is_read(tmp_path: Path, sign: str) -> None:
    """Excel puts a byte order mark first, and ends lines as Windows does."""
    rows = ('image_path;"cat, big";a|b', "1.jpg;1;0", "2.jpg;;1")
    text = "\r\n".join(rows).replace(";", sign) + "\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode("utf-8-sig"))
    truth = read_truth(tmp_path / "t.csv")
    assert truth.classes == ("cat, big", "a|b")
    assert truth.labels.tolist() == [[1, 0], [-1, 1]]


def test_semicolons_in_names_are_no_columns(tmp_path: Path) -> None:
    truth = read_truth(write(tmp_path, "image_path,a;b;c,d", "1.jpg,1,0"))
    assert truth.classes == ("a;b;c", "d")
