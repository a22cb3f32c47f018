"""Labels of more pictures than there are: found by name, kept only where that is asked for."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pseudo-labels stand in Parquet")

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import choose_pictures
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

PATHS = ("a", "b", "c", "d")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Pictures of `b` and `d`, and one that nobody labeled."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("b.jpg", "d.png", "other.jpg"):
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> PseudoLabels:
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]], np.float32)
    halves = np.array([0.5, 0.5], np.float32)
    return PseudoLabels(tmp_path, PATHS, ClassList(("cat", "dog")), scores, halves, {}, scores)


def test_pictures_are_found_by_stem_and_none_is_left_out_unasked(
    labels: PseudoLabels, images: Path
) -> None:
    chosen = choose_pictures(labels, images=images)
    assert chosen.labels.root == images
    assert chosen.labels.paths == ("a", "b.jpg", "c", "d.png")
    assert (chosen.labels.scores == labels.scores).all()


def test_only_the_pictures_that_are_there_when_asked(labels: PseudoLabels, images: Path) -> None:
    chosen = choose_pictures(labels, images=images, only="present")
    assert chosen.labels.paths == ("b.jpg", "d.png")
    assert chosen.rows.tolist() == [1, 3]
    assert chosen.labels.scores.tolist() == labels.scores[[1, 3]].tolist()
    assert chosen.labels.cosines is not None
    assert chosen.labels.cosines.tolist() == labels.scores[[1, 3]].tolist()
    assert (chosen.labels.thresholds == labels.thresholds).all()


@pytest.mark.parametrize(
    ("name", "text"), [("list.txt", "d.jpg\nsome/b\n"), ("list.csv", "image_path,label\nd,x\nb,\n")]
)
def test_only_the_pictures_of_a_list_in_the_order_of_the_labels(
    labels: PseudoLabels, images: Path, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    chosen = choose_pictures(labels, images=images, only=tmp_path / name)
    assert chosen.labels.paths == ("b.jpg", "d.png")
    assert chosen.digest == choose_pictures(labels, images=images, only="present").digest
    assert chosen.digest != choose_pictures(labels, images=images).digest


def test_what_cannot_be_chosen_is_said(labels: PseudoLabels, images: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("b\nz.jpg\ny\n")
    (tmp_path / "empty.txt").write_text("\n")
    for only, message in (
        (tmp_path / "list.txt", r"list.txt names 2 picture\(s\) that have no label, such as 'z.jp"),
        (tmp_path / "empty.txt", "empty.txt names no picture"),
        (tmp_path / "gone.txt", "--only .*gone.txt: there is no such file"),
        ("present", "none of the 4 labeled pictures is in .*: the labels name 'a'; .* --images"),
    ):
        with pytest.raises(CdulEdgeError, match=message):
            choose_pictures(labels, only=only)
    (images / "b.png").write_bytes(b"")
    with pytest.raises(CdulEdgeError, match="has several pictures for 'b' by stem"):
        choose_pictures(labels, images=images, only="present")
