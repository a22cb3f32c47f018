"""Augmentation leaves pictures whole, and the network's input is what Preprocess promises."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.augmentation import move_pixels, recolor, to_network
from cdul_edge_runtime.pictures.preprocess import Preprocess

PLAIN = Preprocess(8, 16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))


def draws(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def numbered(count: int = 6) -> Tensor:
    """(count, 8, 16, 3) in which every pixel of a picture is another."""
    pixels = torch.arange(8 * 16, dtype=torch.uint8).view(1, 8, 16, 1)
    return pixels.expand(count, 8, 16, 3).contiguous()


def test_without_flip_and_shift_pictures_are_untouched() -> None:
    images = numbered()
    assert move_pixels(images, TrainConfig(flip=False), draws()) is images


def test_flip_mirrors_about_half_of_the_pictures_and_leaves_the_others() -> None:
    images = numbered(200)
    moved = move_pixels(images, TrainConfig(flip=True), draws())
    same = (moved == images).flatten(1).all(1)
    mirrored = (moved == images.flip(2)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 70 < int(mirrored.sum()) < 130


def test_a_shift_keeps_nearly_all_of_a_picture_and_invents_no_pixel() -> None:
    images = numbered(50)
    moved = move_pixels(images, TrainConfig(flip=False, shift=0.25), draws())
    for picture in moved[..., 0]:
        kept = len(picture.unique())
        assert kept >= (8 - 2) * (16 - 4)
        steps = (picture[:, 1:].int() - picture[:, :-1].int()).abs()
        assert int(steps.max()) <= 1  # neighbors stay neighbors; reflection repeats no jump
    assert len({tuple(p.flatten().tolist()) for p in moved}) > 10  # each on its own


def test_the_networks_input_is_normalized_and_channels_first() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    found = to_network(images, PLAIN)
    assert found.shape == (1, 3, 1, 1)
    expected = torch.tensor([(0 - 0.5) / 0.2, (0.2 - 0.4) / 0.25, (1 - 0.3) / 0.5])
    torch.testing.assert_close(found.flatten(), expected)


def test_no_color_change_is_the_plain_input() -> None:
    images = numbered()
    found = recolor(images, PLAIN, TrainConfig(), draws())
    assert torch.equal(found, to_network(images, PLAIN))


def test_colors_change_within_their_range_and_by_picture() -> None:
    identity = Preprocess(8, 16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    images = torch.full((40, 8, 16, 3), 100, dtype=torch.uint8)
    found = recolor(images, identity, TrainConfig(color=1.0), draws())
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    # gray stays gray: brightness and contrast move all channels alike, saturation moves none
    torch.testing.assert_close(found[:, 0], found[:, 1])
    assert float(found[:, 0, 0, 0].std()) > 0.05
    assert (found[:, :, :1, :1] == found).all()  # the same change everywhere in a picture


def test_shuffled_colors_are_the_same_channels_in_another_order() -> None:
    identity = Preprocess(8, 16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).expand(30, 8, 16, 3).contiguous()
    found = recolor(images, identity, TrainConfig(shuffle_colors=1.0), draws())[:, :, 0, 0]
    expected = torch.tensor([0, 128 / 255, 1.0]).expand(30, 3)
    torch.testing.assert_close(found.sort(dim=1).values, expected)
    assert len({tuple(row.tolist()) for row in found}) == 6
