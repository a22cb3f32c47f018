"""Parquet with image bytes: which column is the picture, what a picture is called, bad files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdul_edge.sources.open_source import open_source
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError

NO_TEXT = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))


def write(file: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), file, row_group_size=2)
    return file


def test_a_column_of_bytes_with_paths(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.parquet", jpg=[b"1", b"22", None], path=["x", "y", "z"], cls=[0, 1, 2]
    )
    source = open_source(file, 1)
    assert (source.parts, source.pictures) == (1, None)
    assert list(source.part(0)) == [
        SourcePicture("x", b"1"),
        SourcePicture("y", b"22"),
        SourcePicture("z", b"", 0, "has no bytes in its row"),
    ]


def test_hugging_faces_struct_is_called_by_file_and_row(tmp_path: Path) -> None:
    rows = [{"bytes": str(i).encode(), "path": "same.jpg"} for i in range(40)]
    write(tmp_path / "train-0.parquet", image=rows, label=list(range(40)))
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    outside = pa.array([{"bytes": None, "path": "outside.jpg"}], struct)
    write(tmp_path / "train-1.parquet", image=outside, label=[1])
    source = open_source(tmp_path, 1)
    first = list(source.part(0))
    assert [picture.content for picture in first] == [str(i).encode() for i in range(40)]
    assert (first[0].path, first[39].path) == ("train-0/00000000", "train-0/00000039")
    (lone,) = source.part(1)
    assert (lone.path, lone.reason) == ("train-1/00000000", "has no bytes in its row")


def test_shards_of_one_name_in_two_folders_have_pictures_of_two_names(tmp_path: Path) -> None:
    for split in ("test", "train"):
        (tmp_path / split).mkdir()
        write(tmp_path / split / "0000.parquet", image=[b"1"])
    source = open_source(tmp_path, 1)
    assert [source.paths(part) for part in range(2)] == [
        ("test/0000/00000000",),
        ("train/0000/00000000",),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, r"has no column of image bytes: it has text \(string\); expected"),
        ({"a": [b"1"], "b": [b"2"]}, "holds bytes in the columns a, b: call the one"),
        ({"image": [b"1"], "path": [""]}, "has no path in row 0"),
        ({"image": [b"1", b"2"], "path": ["x", "x"]}, "holds two pictures called 'x'"),
        ({"image": pa.array([], pa.binary())}, "holds no pictures: leave it out"),
        ({"image": [b"1"], "path": [7]}, "has a column path of int64: expected text"),
        ({"image": [b"1"], "path": [b"x"]}, "has a column path of binary: expected text"),
        ({"image": [b"1"], "path": NO_TEXT}, "no whole Parquet file .*utf-8"),
    ],
    ids=["none", "two", "unnamed", "doubled", "empty", "number", "bytes", "no-utf8"],
)
def test_tables_that_are_no_pictures_are_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    file = write(tmp_path / "a.parquet", **columns)
    with pytest.raises(CdulEdgeError, match=message):
        list(open_source(file, 1).part(0))


def test_the_column_called_image_is_the_picture_among_several(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", thumbnail=[b"1"], image=[b"2"])
    assert [picture.content for picture in open_source(file, 1).part(0)] == [b"2"]


def test_a_file_that_is_cut_empty_or_something_else_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", image=[b"1" * 500])
    whole = file.read_bytes()
    for content in (whole[:-3], whole[: len(whole) // 2], b"", b"no parquet"):
        file.write_bytes(content)
        with pytest.raises(CdulEdgeError, match=r"a\.parquet is no whole Parquet file .*kept$"):
            list(open_source(file, 1).part(0))


def test_a_folder_of_two_kinds_of_shards_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", image=[b"1"])
    (tmp_path / "a.tar").write_bytes(b"")
    with pytest.raises(CdulEdgeError, match=r"of two kinds, such as a\.parquet and a\.tar"):
        open_source(tmp_path, 1)


@pytest.mark.parametrize("doubled", ["image", "path"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, doubled: str) -> None:
    columns = {"image": pa.array([b"1"]), "path": pa.array(["x"])}
    table = pa.table(columns).append_column(doubled, columns[doubled])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(CdulEdgeError, match=f"has 2 columns called {doubled}: expected one"):
        list(open_source(tmp_path, 1).part(0))
