"""Which known picture a path means, and which only shares its file name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.metrics.matching import find_rows
from cdul_edge_runtime.metrics.truth import TruthTable

TWO = ClassList(("cat", "dog"))


def meant(known: list[str], asked: str) -> str | None:
    matches = find_rows(known, [asked], whose="the truth")
    return known[matches.rows[0]] if matches.found[0] else None


@pytest.mark.parametrize(
    ("known", "asked", "found"),
    [
        ("1.jpg", "any/where/1.jpg", True),
        ("train/1.jpg", "1.jpg", True),
        ("train/1.jpg", "heldout/1.jpg", False),
        ("train/1.jpg", "/data/heldout/1.jpg", False),
        ("/data/train/1.jpg", "heldout/1.jpg", False),
        ("train/1", "heldout/1.jpg", False),
        ("train/1.png", "heldout/1.jpg", False),
        ("data/train/1.jpg", "train/1.jpg", True),
        ("/old/disk/train/1.jpg", "/new/train/1.jpg", True),
        ("./1.jpg", "x/../1.jpg", True),
        ("x//1.jpg", "./x/1.jpg", True),
        ("C:\\voc\\train\\1.jpg", "train/1.jpg", True),
        ("C:\\voc\\train\\1.jpg", "heldout/1.jpg", False),
        ("caf\u00e9.jpg", "cafe\u0301.jpg", True),
        ("u\u0308/1.jpg", "\u00fc/1.jpg", True),
    ],
)
def test_folders_that_both_give_must_agree(known: str, asked: str, found: bool) -> None:
    assert meant([known], asked) == (known if found else None)


def test_of_several_the_one_with_the_most_folders_in_common_is_meant() -> None:
    known = ["a/x/1.jpg", "b/x/1.jpg", "b/y/1.jpg"]
    assert meant(known, "/home/b/x/1.jpg") == "b/x/1.jpg"
    assert meant(known, "b/y/1.png") == "b/y/1.jpg"
    assert meant(known, "c/z/1.jpg") is None
    with pytest.raises(CdulEdgeError, match=r"several pictures for 'x/1.jpg'"):
        meant(known, "x/1.jpg")


def table(*paths: str) -> TruthTable:
    labels = np.tile(np.array([1, 0], dtype=np.int8), (len(paths), 1))
    return TruthTable(("cat", "dog"), paths, labels)


def test_truth_of_another_folder_is_refused_by_name() -> None:
    truth = table(*(f"train/{n}.jpg" for n in range(9)))
    asked = [f"heldout/{n}.jpg" for n in range(9)]
    with pytest.raises(CdulEdgeError, match=r"folders differ, such as 'train/0.jpg' for 'held"):
        truth.for_paths(asked, TWO)
    with pytest.warns(CdulEdgeWarning, match=r"no truth for 8 picture\(s\)"):
        labels = truth.for_paths([*asked[:8], "train/8.jpg"], TWO)
    assert labels.tolist() == [[-1, -1]] * 8 + [[1, 0]]


def test_truth_that_contradicts_the_folder_of_the_pictures_is_said() -> None:
    truth = table("train/1.jpg", "train/2.jpg")
    with pytest.warns(CdulEdgeWarning, match=r"2 picture\(s\) found .*'/d/heldout/1.jpg'"):
        found = truth.for_paths(["1.jpg", "2.jpg"], TWO, Path("/d/heldout"))
    assert found.tolist() == [[1, 0], [1, 0]]
    assert truth.for_paths(["1.jpg"], TWO, Path("/d/train")).tolist() == [[1, 0]]
    truth = table("train/images/1.jpg")
    with pytest.warns(CdulEdgeWarning, match=r"1 picture\(s\) found"):
        truth.for_paths(["heldout/images/1.jpg"], TWO)


def test_one_picture_spelled_in_two_ways_is_named_twice() -> None:
    for again in ("./1.jpg", "x/../1.jpg"):
        with pytest.raises(CdulEdgeError, match=r"names the picture '1.jpg' twice"):
            table("1.jpg", again)
    with pytest.raises(CdulEdgeError, match="twice"):
        table("caf\u00e9.jpg", "cafe\u0301.jpg")


def test_class_names_match_however_their_accents_are_composed() -> None:
    truth = TruthTable(("cafe\u0301", "th\u00e9"), ("1.jpg",), np.array([[1, 0]], dtype=np.int8))
    asked = ClassList(("the\u0301", "caf\u00e9"))
    assert truth.for_paths(["1.jpg"], asked).tolist() == [[0, 1]]
    assert asked.index("th\u00e9") == 0


def test_two_classes_that_mean_one_column_are_refused() -> None:
    with pytest.raises(CdulEdgeError, match="'hot dog' and 'hotdog' both mean 'hot_dog'"):
        TruthTable(("hot_dog", "cat"), ("1.jpg",), np.array([[1, 0]], dtype=np.int8)).for_paths(
            ["1.jpg"], ClassList(("hot dog", "hotdog"))
        )


@pytest.mark.parametrize(("asked", "doubtful"), [("1.jpg", 1), ("1", 0), ("2008.1", 0)])
def test_a_name_that_is_no_file_lies_in_no_folder(asked: str, doubtful: int) -> None:
    known = ["train/1.jpg", "train/2008.1.jpg"]
    matches = find_rows(known, [asked], whose="the truth", root=Path("/here"))
    assert matches.found.all()
    assert len(matches.doubtful) == doubtful
