"""Figures of training beside the scripts of torchvision and timm."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers.training import TrainingWork, make_sides, summarize
from cdul_edge_runtime.pictures.images import PictureList


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    seconds = {
        "ours_cached": [1.0, 2.0, 4.0],
        "ours_uncached": [2.0, 2.0, 2.0],
        "timm": [2.0, 3.0, 4.0],
        "torchvision": [4.0, 2.0, 1.0],
    }
    found = summarize(8, seconds)
    assert found["pictures_per_s"] == {
        "ours_cached": 4.0, "ours_uncached": 4.0, "timm": 2.67, "torchvision": 4.0,
    }  # fmt: skip
    assert found["over"] == {
        "ours_cached/timm": 1.5,  # of 2, 1.5 and 1
        "ours_cached/torchvision": 1.0,  # of 4, 1 and 0.25
        "ours_uncached/timm": 1.5,  # of 1, 1.5 and 2
        "ours_uncached/torchvision": 1.0,  # of 2, 1 and 0.5
    }


def test_pictures_that_are_no_whole_batches_are_refused() -> None:
    pictures = PictureList(Path("nowhere"), ("a.jpg", "b.jpg", "c.jpg"))
    with pytest.raises(ValueError, match="3 pictures are no whole batches of 2"):
        make_sides(TrainingWork("resnet18", pictures, batch=2))
