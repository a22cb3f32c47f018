"""VOC annotations as other tools write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import read_truth

TWO = ClassList(("cat", "dog"))


def xml(*things: str, filename: str | None = None, head: str = "", attributes: str = "") -> str:
    named = "" if filename is None else f"<filename>{filename}</filename>"
    objects = "".join(f"<object><name>{thing}</name></object>" for thing in things)
    return f"{head}<annotation{attributes}>{named}{objects}</annotation>"


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    (folder / name).write_bytes(text.encode(encoding))


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "latin-1", "utf-16", "utf-8-sig"])
def test_an_annotation_is_read_in_the_encoding_that_it_declares(
    tmp_path: Path, encoding: str
) -> None:
    name = "é" if encoding == "latin-1" else "猫"
    head = f"<?xml version='1.0' encoding='{encoding.removesuffix('-sig')}'?>\n"
    write(tmp_path, "1.xml", xml(name, filename="1.jpg", head=head), encoding)
    truth = read_truth(tmp_path)
    assert (truth.classes, truth.paths) == ((name,), ("1.jpg",))


@pytest.mark.parametrize(
    "filename",
    ["old_name.jpg", "C:\\photos\\old.jpg", "C:\\photos\\1.jpg", "1", "", None, "/x/1.JPG"],
)
def test_a_stale_file_name_does_not_hide_the_picture(tmp_path: Path, filename: str | None) -> None:
    write(tmp_path, "1.xml", xml("cat", filename=filename))
    write(tmp_path, "2.XML", xml("dog", filename=filename))
    assert read_truth(tmp_path).for_paths(["1.jpg", "2.jpg"], TWO).tolist() == [[1, 0], [0, 1]]


def test_a_file_name_counts_where_no_annotation_is_named_after_the_picture(tmp_path: Path) -> None:
    write(tmp_path, "0001.xml", xml("cat", filename="beach.jpg"))
    write(tmp_path, "0002.xml", xml("dog", filename="0001.jpg"))
    truth = read_truth(tmp_path)
    assert truth.for_paths(["x/beach.jpg"], TWO).tolist() == [[1, 0]]
    assert truth.for_paths(["0001.jpg", "0002.jpg"], TWO).tolist() == [[1, 0], [0, 1]]


def test_hidden_files_and_namespaces_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "1.xml", xml("cat", attributes=' xmlns="http://host.robots.ox.ac.uk"'))
    write(tmp_path, "2.xml", xml("dog"))
    (tmp_path / "._1.xml").write_bytes(b"\0\5\x16\7Mac OS X")
    assert read_truth(tmp_path).for_paths(["1.jpg", "2.jpg"], TWO).tolist() == [[1, 0], [0, 1]]


BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bbbb">'
    + "".join(f'<!ENTITY {chr(99 + n)} "{f"&{chr(98 + n)};" * 9}">' for n in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (xml("&k;", head=BOMB), "declares XML entities"),
        (xml("cat", head="<?xml version='1.0' encoding='klingon'?>"), "is not text in klingon"),
        ("<annotation>", "is not valid XML"),
        ("", "is not valid XML"),
        ("<svg></svg>", "is not a VOC annotation: it begins with <svg>"),
        (xml(" "), "object without a name"),
        ("<annotation>&nbsp;</annotation>", "is not valid XML"),
    ],
)
def test_what_is_no_annotation_is_refused_by_name(tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, "1.xml", text)
    with pytest.raises(CdulEdgeError, match=fault) as caught:
        read_truth(tmp_path)
    assert "1.xml" in str(caught.value)
