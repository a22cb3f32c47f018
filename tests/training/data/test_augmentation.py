"""Augmentation leaves pictures whole, and the network's input is what Preprocess promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.augmentation import RowDraws, move_pixels, recolor, to_network, zoom
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess

PLAIN = Preprocess(8, 16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))


def draws(seed: int = 0) -> RowDraws:
    return RowDraws(torch.Generator().manual_seed(seed))


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


def ramps(count: int = 100) -> Tensor:
    """(count, 3, 32, 64): each pixel holds its column, its row and a constant."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(64.0), indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, 7.0)]).repeat(count, 1, 1, 1)


def steepest(shown: Tensor) -> Tensor:
    """(B, 2) width and height of each window as shares of the picture's: what one pixel steps."""
    across = shown[:, 0].diff(dim=2).abs().amax(dim=(1, 2))
    down = shown[:, 1].diff(dim=1).abs().amax(dim=(1, 2))
    return torch.stack([across, down], dim=1)


def test_without_zoom_pictures_are_untouched() -> None:
    images = ramps(4)
    assert zoom(images, TrainConfig(zoom_in=0.0), draws()) is images


def test_zooming_in_shows_a_window_that_keeps_the_promised_share() -> None:
    shown = zoom(ramps(), TrainConfig(zoom_in=0.36), draws())
    sides = steepest(shown)
    assert float(sides.min()) >= 0.8 - 1e-4  # sqrt(1 - 0.36)
    assert float(sides.max()) <= 1 + 1e-4
    assert float(sides.prod(dim=1).min()) >= 1 - 0.36
    assert float(sides.min()) < 0.82  # the range is used
    assert float(sides.max()) > 0.98
    steps = shown[:, 0].diff(dim=2)[:, :, 2:-2]  # no reflection: columns go on rising evenly
    torch.testing.assert_close(steps, sides[:, :1, None].expand_as(steps), rtol=0, atol=1e-3)
    torch.testing.assert_close(shown[:, 2], torch.full((100, 32, 64), 7.0))
    assert len({round(corner, 2) for corner in shown[:, 0, 0, 0].tolist()}) > 20  # each its place


def test_zooming_out_shows_every_picture_whole_and_smaller() -> None:
    shown = zoom(ramps(), TrainConfig(zoom_in=0.0, zoom_out=0.36), draws())
    sides = steepest(shown)
    assert 1.2 < float(sides.max()) <= 1.25 + 1e-4  # 1 / sqrt(1 - 0.36)
    assert float(sides.min()) >= 1 - 1e-4
    assert float(shown[:, 0].amin(dim=(1, 2)).max()) <= 1.25  # the first column is in every one,
    assert float(shown[:, 0].amax(dim=(1, 2)).min()) >= 62 - 0.25  # and the last
    assert float(shown[:, :2].min()) >= 0  # reflected, not black


def test_a_zoom_depends_on_the_seed_only() -> None:
    config = TrainConfig(zoom_in=0.5, zoom_out=0.5)
    one, same, other = (zoom(ramps(3), config, draws(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["zoom_in", "zoom_out"])
def test_an_impossible_zoom_is_refused(name: str) -> None:
    with pytest.raises(CdulEdgeError, match=f"{name} 1.0, expected 0 to 0.75"):
        TrainConfig(**{name: 1.0})  # type: ignore[arg-type]


def test_a_part_of_a_batch_is_changed_as_in_the_whole() -> None:
    images = torch.arange(5 * 8 * 8 * 3).reshape(5, 8, 8, 3).to(torch.uint8)
    config = TrainConfig(flip=True, shift=0.2, color=0.5, shuffle_colors=0.5, zoom_in=0.3)
    whole, part = draws(), RowDraws(torch.Generator().manual_seed(0), 5, slice(1, 3))

    def change(shown: Tensor, numbers: RowDraws) -> Tensor:
        moved = move_pixels(shown, config, numbers)
        return zoom(recolor(moved, PLAIN, config, numbers), config, numbers)

    torch.testing.assert_close(change(images[1:3], part), change(images, whole)[1:3])
