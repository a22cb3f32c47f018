"""From a class activation map to a box, and from a box to pixels, by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cdul_edge.training.attention.regions import region_boxes, shown_frame, to_pixels
from cdul_edge_runtime.pictures.preprocess import Preprocess, Resize


def box(cells: list[tuple[int, int]], *, side: int = 4, grow: float = 0.0) -> list[float]:
    """The box of a map of zeros with ones at some (row, column)."""
    made = torch.zeros(1, side, side)
    for row, column in cells:
        made[0, row, column] = 1.0
    found: list[float] = region_boxes(made, side, side, share=0.95, grow=grow)[0].tolist()
    return found


def test_a_box_is_the_bounding_rectangle_of_the_highest_places() -> None:
    assert box([(1, 2), (2, 2)]) == [0.5, 0.25, 0.75, 0.75]
    assert box([(0, 0)]) == [0.0, 0.0, 0.25, 0.25]
    assert box([(3, 3)]) == [0.75, 0.75, 1.0, 1.0]


def test_columns_are_those_of_all_places_not_of_the_first_and_the_last() -> None:
    # In reading order the first place is in column 1, the last in column 2; column 0 and 3 lie
    # between them.
    assert box([(0, 1), (1, 0), (2, 3), (3, 2)]) == [0.0, 0.0, 1.0, 1.0]


def test_a_box_grows_on_every_side_and_ends_at_the_border() -> None:
    assert box([(1, 1)], grow=0.125) == [0.125, 0.125, 0.625, 0.625]
    assert box([(0, 3)], grow=0.125) == [0.625, 0.0, 1.0, 0.375]


def test_a_map_that_tells_nothing_shows_the_whole_input() -> None:
    assert region_boxes(torch.full((1, 3, 3), 7.0), 8, 8, share=0.95, grow=0.1).tolist() == [
        [0.0, 0.0, 1.0, 1.0]
    ]


def test_no_maps_have_no_boxes() -> None:
    assert region_boxes(torch.zeros(0, 3, 3), 8, 8, share=0.95, grow=0.1).shape == (0, 4)


def test_scale_and_offset_of_a_map_change_no_box() -> None:
    maps = torch.randn(9, 5, 7, generator=torch.Generator().manual_seed(0))
    one = region_boxes(maps, 50, 70, share=0.9, grow=0.05)
    assert torch.equal(one, region_boxes(8 * maps - 2, 50, 70, share=0.9, grow=0.05))


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_box_holds_every_place_of_its_region_and_touches_it_on_all_sides(share: float) -> None:
    maps = torch.randn(20, 4, 6, generator=torch.Generator().manual_seed(1))
    large = F.interpolate(maps[None], size=(40, 30), mode="bilinear")[0]
    for one, edges in zip(large, region_boxes(maps, 40, 30, share=share, grow=0.0), strict=True):
        stretched = (one - one.min()) / (one.max() - one.min())
        left, top, right, bottom = (edges * torch.tensor([30, 40, 30, 40])).round().int().tolist()
        inside = stretched >= share
        assert int(inside.sum()) == int(inside[top:bottom, left:right].sum())
        for side in (inside[top, :], inside[bottom - 1, :], inside[:, left], inside[:, right - 1]):
            assert bool(side.any())


@pytest.mark.parametrize(
    ("resize", "frame"),
    [
        ("squash", (0.0, 0.0, 200.0, 100.0)),
        ("center", (50.0, 0.0, 100.0, 100.0)),
        ("letterbox", (0.0, -50.0, 200.0, 200.0)),
    ],
)
def test_the_frame_is_what_the_input_shows_of_the_picture(
    resize: Resize, frame: tuple[float, ...]
) -> None:
    assert shown_frame(Preprocess(64, 64, resize), 200, 100) == frame


@pytest.mark.parametrize(
    ("resize", "shares", "pixels"),
    [
        ("squash", (0.25, 0.5, 0.5, 1.0), (50, 50, 100, 100)),
        ("squash", (0.001, 0.001, 0.002, 0.002), (0, 0, 1, 1)),
        ("center", (0.0, 0.0, 0.5, 0.5), (50, 0, 100, 50)),
        ("letterbox", (0.0, 0.0, 0.5, 0.5), (0, 0, 100, 50)),
        ("letterbox", (0.25, 0.25, 0.75, 0.75), (50, 0, 150, 100)),
        ("letterbox", (0.0, 0.0, 1.0, 0.2), None),
    ],
)
def test_shares_of_the_input_become_pixels_of_the_picture(
    resize: Resize, shares: tuple[float, ...], pixels: tuple[int, ...] | None
) -> None:
    assert to_pixels(shares, Preprocess(64, 64, resize), 200, 100) == pixels


def test_a_box_shows_what_the_network_saw_there() -> None:
    """A colored corner of a wide picture, cut through each policy's frame, is that corner."""
    from PIL import Image

    picture = Image.new("RGB", (120, 60), (0, 0, 0))
    picture.paste((255, 0, 0), (30, 0, 60, 30))  # the left upper quarter of the center square
    for resize in ("squash", "center", "letterbox"):
        shown = Preprocess(60, 60, resize)
        red = torch.from_numpy(shown.apply(picture)[:, :, 0].copy()).float() / 255
        # of an enlarged map nothing is lost: the input is as large
        (found,) = region_boxes(red[None], 60, 60, share=0.95, grow=0.0).tolist()
        place = to_pixels(tuple(found), shown, 120, 60)
        assert place is not None
        assert max(abs(a - b) for a, b in zip(place, (30, 0, 60, 30), strict=True)) <= 2
