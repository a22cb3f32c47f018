"""Every cache gives the same pixels, and a picture that is missing or broken is named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import choose_pictures
from cdul_edge.training.data.dataset import (
    StoredPictures,
    locate_pictures,
    open_pictures,
)
from cdul_edge.training.request import CacheKind, DataOptions
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

SMALL = Preprocess(16, 24)
REMEDY = "call the painter"
PATHS = tuple(f"{index:02}.png" for index in range(12))


def read(squares: Any, scratch: Path, **options: Any) -> torch.Tensor:
    pictures = locate_pictures(squares.root / "train", PATHS)
    opened = open_pictures(pictures, SMALL, DataOptions(**options), scratch=scratch, remedy=REMEDY)
    assert len(opened) == 12
    return torch.cat(list(opened.batches([torch.tensor([11, 0, 5]), torch.tensor([3])])))


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_every_cache_gives_the_pixels_of_preprocess_in_the_order_asked(
    squares: Any, tmp_path: Path, cache: CacheKind
) -> None:
    found = read(squares, tmp_path, cache=cache)
    for row, number in enumerate((11, 0, 5, 3)):
        expected = SMALL.apply(open_image(squares.root / "train" / PATHS[number]))
        assert torch.equal(found[row], torch.tensor(expected))


def test_auto_takes_memory_within_the_budget_and_the_disk_beyond(
    squares: Any, tmp_path: Path
) -> None:
    pictures = locate_pictures(squares.root / "train", PATHS)
    for budget, on_disk in ((1, False), (0, True)):
        options = DataOptions(cache_budget_mib=budget)
        opened = open_pictures(
            pictures, SMALL, options, scratch=tmp_path / str(budget), remedy=REMEDY
        )
        assert isinstance(opened, StoredPictures)
        assert any(tmp_path.glob(f"{budget}/*.uint8")) == on_disk


def test_a_finished_disk_cache_is_used_again_until_a_picture_changes(
    squares: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(squares.root / "train", folder)
    decoded: list[int] = []

    def count_decoded() -> int:
        pictures = locate_pictures(folder, PATHS)
        options = DataOptions(cache="disk")
        decoded.clear()
        open_pictures(
            pictures, SMALL, options, scratch=tmp_path / "cache", remedy=REMEDY, tick=decoded.append
        )
        return sum(decoded)

    assert [count_decoded(), count_decoded()] == [12, 0]
    shutil.copy(folder / "07.png", folder / "00.png")
    assert count_decoded() == 12


def test_pictures_that_moved_are_found_where_images_points(squares: Any, tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match=r"12 of 12 labeled pictures are not in .*--images"):
        locate_pictures(tmp_path, PATHS)
    (tmp_path / "0.tar").touch()
    with pytest.raises(CdulEdgeError, match=r"lie in shards in .* unpack the shards .*--images"):
        locate_pictures(tmp_path, PATHS)
    labels = choose_pictures(
        PseudoLabels.read(squares.labels), images=squares.root / "train"
    ).labels
    found = locate_pictures(labels.folder, labels.paths)
    assert found.absolute(3) == squares.root / "train" / "03.png"


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_a_picture_damaged_since_labelling_is_named_and_leaves_no_cache(
    squares: Any, tmp_path: Path, cache: CacheKind
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(squares.root / "train", folder)
    (folder / "04.png").write_bytes((folder / "04.png").read_bytes()[:60])
    pictures = locate_pictures(folder, PATHS)
    with pytest.raises(CdulEdgeError, match=r"04\.png .*: call the painter"):
        opened = open_pictures(
            pictures,
            SMALL,
            DataOptions(cache=cache),
            scratch=tmp_path / "cache",
            remedy=REMEDY,
        )
        list(opened.batches([torch.arange(12)]))
    assert not list(tmp_path.glob("cache/*"))
