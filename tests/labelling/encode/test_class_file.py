"""Class files of every form, and classes that are one class."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cdul_edge.labelling.encode.class_file import read_class_file
from cdul_edge.labelling.encode.prompts import read_prompts
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning

STAR_AND_RING = ["star", "ring"]


def write(tmp_path: Path, text: str, name: str = "classes.txt", encoding: str = "utf-8") -> Path:
    file = tmp_path / name
    file.write_bytes(text.encode(encoding))
    return file


def names(file: Path) -> list[str]:
    return [named.name for named in read_class_file(file)]


@pytest.mark.parametrize("name", ["classes.json", "classes.yaml"])
@pytest.mark.parametrize(
    "content",
    [
        {"0": "star", "1": "ring"},
        {"1": "ring", "0": "star"},
        {"star": 0, "ring": 1},
        ["star", "ring"],
        {"names": ["star", "ring"], "nc": 2, "train": "images/train"},
        {"names": {"0": "star", "1": "ring"}, "path": "../data"},
        {"id2label": {"0": "star", "1": "ring"}, "label2id": {"star": 0, "ring": 1}},
        {"star": ["star"], "ring": ["ring"]},
        {"star": "star", "ring": "ring"},
        {"star": "", "ring": ""},
        {"classes": ["star", "ring"], "version": 1},
    ],
)
def test_json_and_yaml_of_every_kind_give_names_and_not_ids(
    tmp_path: Path, name: str, content: object
) -> None:
    prompts = read_prompts(write(tmp_path, json.dumps(content), name))
    assert list(prompts.classes) == STAR_AND_RING
    assert prompts.prompts == (("star",), ("ring",))


def test_yolo_as_people_write_it(tmp_path: Path) -> None:
    text = "# data\nnc: 4\nnames:\n  0: no\n  1: on\n  2: 16:9\n  10: 2020-01-01\n"
    assert names(write(tmp_path, text, "data.yaml")) == ["no", "on", "16:9", "2020-01-01"]
    assert names(write(tmp_path, 'names: [yes, "null", 1]\n', "b.yml")) == ["yes", "null", "1"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("star\r\nring\r\n", STAR_AND_RING),
        ("star\rring", STAR_AND_RING),
        ("\ufeffstar\nring", STAR_AND_RING),
        ("# my classes\n\n star \n  # more\nring\n", STAR_AND_RING),
        ("0: star\n1: ring\n", STAR_AND_RING),
        ("1: star\n2: ring\n", STAR_AND_RING),
        ("0 star\n1 ring\n", STAR_AND_RING),
        ("1. star\n2. ring\n", STAR_AND_RING),
        ("- star\n- ring\n", STAR_AND_RING),
        ("0\n1\n2\n", ["0", "1", "2"]),
        ("1 euro\n2 euro\n", ["1 euro", "2 euro"]),
        ("ratio 16:9\nring", ["ratio 16:9", "ring"]),
        ("std::vector\nring", ["std::vector", "ring"]),
        ("C# code\nring", ["C# code", "ring"]),
        ("odd\u2028name\nring", ["odd\u2028name", "ring"]),
    ],
)
def test_lines_are_names_without_comments_and_marks(
    tmp_path: Path, text: str, found: list[str]
) -> None:
    assert names(write(tmp_path, text)) == found


def test_a_colon_with_a_space_begins_prompts(tmp_path: Path) -> None:
    file = write(tmp_path, "ratio 16:9: wide | very wide\nring")
    assert read_class_file(file)[0] == ("ratio 16:9", ("wide", "very wide"))
    file = write(tmp_path, "dog:puppy\nring")
    with pytest.warns(CdulEdgeWarning, match="line 1 .*'dog: puppy', with a space"):
        assert names(file) == ["dog:puppy", "ring"]


@pytest.mark.parametrize(
    ("text", "name", "fault"),
    [
        ("a_b\na b\n", "c.txt", "'a_b' and 'a b' differ only in"),
        ("hot-dog\nHotdog\n", "c.txt", "'hot-dog' and 'Hotdog' differ only in"),
        ("caf\u00e9\ncafe\u0301\n", "c.txt", "twice"),
        ("cat\ncat\u200b\n", "c.txt", "differ only in case"),
        ("missile: rocket\nspace rocket: rocket\n", "c.txt", "'missile' and 'space rocket' have"),
        ("missile: Rocket | bomb\nring: bomb|rocket\n", "c.txt", "have the same prompts"),
        ("rocket\nmissile: rocket\n", "c.txt", "'rocket' and 'missile' have the same prompts"),
        ('{"0": "star", "00": "ring"}', "c.json", "gives the id 0 to 'star' and 'ring'"),
        ('{"a cat": "cat", "a cat": "dog"}', "c.json", "has the key 'a cat' twice"),
        ("a cat: cat\na cat: dog\n", "c.yaml", "has the key 'a cat' twice"),
        ("nc: 3\nnames: [star, ring]\n", "c.yaml", "says nc: 3, but names 2 classes"),
        ('{"star": null, "ring": 2}', "c.json", "is not a class file: expected a list"),
        ('["star", 1]', "c.json", "is not a class file"),
        ('["star", ["ring"]]', "c.json", "is not a class file"),
        ("7", "c.json", "is not a class file"),
        ("&a [*a, ring]", "c.yaml", "is not a class file|not valid YAML"),
        ('["star\\n", "ring\\u0000"]', "c.json", "control characters"),
        ('["\\ud800", "ring"]', "c.json", "control characters"),
        ("star\tx\nring", "c.txt", "control characters"),
        ("[" * 5000, "c.json", "is not valid JSON"),
        ("[" * 5000, "c.yaml", "is not valid YAML"),
        ("id,name\n0,star\n1,ring", "c.csv", "has several columns"),
        ("star, ring\n", "c.txt", "has a single line: write one class name per line"),
        ("star\n---\nring", "c.yaml", "is not valid YAML"),
    ],
)
def test_what_is_no_list_of_classes_is_named_with_its_fault(
    tmp_path: Path, text: str, name: str, fault: str
) -> None:
    file = write(tmp_path, text, name)
    with pytest.raises(CdulEdgeError, match=fault) as caught:
        read_prompts(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_called_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    for content, fault in (
        (b"\xff\xd8\xff\xe0", "is a picture"),
        (b"PK\x03\x04\0\xff", "is a ZIP archive"),
        ("star\nring".encode("utf-16"), "is UTF-16"),
        (b"star\0\nring", "zero byte in line 1"),
    ):
        file.write_bytes(content)
        with pytest.raises(CdulEdgeError, match=fault):
            read_prompts(file)
    with file.open("wb") as sparse:
        sparse.truncate(17 << 20)
    with pytest.raises(CdulEdgeError, match="has 17 MiB, more than the limit of 16 MiB"):
        read_prompts(file)
    with pytest.raises(CdulEdgeError, match="it is a folder"):
        read_prompts(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_no_class_file_and_one_of_the_shell_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(CdulEdgeError, match="it is a named pipe"):
        read_prompts(tmp_path / "pipe.txt")
    reading, writing = os.pipe()
    os.write(writing, b"star\nring\n")
    os.close(writing)
    assert names(Path(f"/dev/fd/{reading}")) == STAR_AND_RING
    os.close(reading)
