"""Grids that partition, snippets that know nothing of their neighbors, sizes at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cdul_edge.labelling.decode.views import Framing, Views, WholePicture, cut_views, parse_grid
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess, Resize

SIDE = 8


def cut(image: Image.Image, views: Framing, fit: Resize = "squash") -> np.ndarray:
    out = np.zeros((views.count, SIDE, SIDE, 3), np.uint8)
    cut_views(image, views, Preprocess(SIDE, SIDE, fit, "bicubic"), out)
    return out


def test_tiles_partition_every_picture_from_3_to_50_px() -> None:
    views = Views()
    for width in range(3, 51):
        for height in range(3, 51):
            seen = np.zeros((height, width), int)
            for x0, y0, x1, y1 in views.boxes(width, height)[1:]:
                assert x1 > x0
                assert y1 > y0
                seen[y0:y1, x0:x1] += 1
            assert (seen == 1).all()


def test_boundaries_are_rounded_halves_up_row_by_row() -> None:
    # 10 / 3 = 3.33 and 6.67: cuts at 3 and 7
    boxes = Views().boxes(10, 9)
    assert boxes[0] == (0, 0, 10, 9)
    assert boxes[1:5] == [(0, 0, 3, 3), (3, 0, 7, 3), (7, 0, 10, 3), (0, 3, 3, 6)]


def test_any_grid_and_overlap_grows_tiles_but_stays_inside() -> None:
    views = Views(rows=1, columns=2, overlap=0.25)
    # tiles of 50 px grow by 12.5 on every side: 13 with halves rounded up
    assert views.boxes(100, 20) == [(0, 0, 100, 20), (0, 0, 63, 20), (38, 0, 100, 20)]


def test_a_side_with_fewer_pixels_than_tiles_shows_the_whole_picture_everywhere() -> None:
    assert Views().boxes(2, 40) == [(0, 0, 2, 40)] * 10


def test_a_snippet_knows_nothing_of_its_neighbors() -> None:
    # resizing across the border would mix colors; each tile is of one color exactly
    pixels = np.zeros((30, 30, 3), np.uint8)
    for row in range(3):
        for column in range(3):
            pixels[10 * row : 10 * row + 10, 10 * column : 10 * column + 10] = 25 * (
                3 * row + column
            )
    found = cut(Image.fromarray(pixels), Views())
    for place in range(9):
        assert (found[1 + place] == 25 * place).all()


@pytest.mark.parametrize("fit", ["squash", "center", "letterbox"])
@pytest.mark.parametrize("size", [(3, 50), (50, 3), (1, 1), (17, 8)])
def test_every_fit_fills_the_square(fit: Resize, size: tuple[int, int]) -> None:
    found = cut(Image.new("RGB", size, (200, 100, 50)), Views(), fit)
    middle = found[:, SIDE // 2, SIDE // 2]
    assert (middle == (200, 100, 50)).all()


def test_squash_shows_what_center_loses() -> None:
    # a red border left and right of a wide picture
    image = Image.new("RGB", (40, 20), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 10, 20))
    image.paste((255, 0, 0), (30, 0, 40, 20))
    whole = Views(rows=1, columns=1)
    assert cut(image, whole)[0, :, 0, 0].min() > 200
    assert cut(image, whole, "center")[0, :, 0, 0].max() < 60


def test_grids_are_read_and_wrong_ones_refused() -> None:
    assert parse_grid("3x3") == (3, 3)
    assert parse_grid("2X4") == (2, 4)
    assert parse_grid("5") == (5, 5)
    with pytest.raises(CdulEdgeError, match="ROWSxCOLUMNS"):
        parse_grid("three")
    with pytest.raises(CdulEdgeError, match="at least 1x1"):
        Views(0, 3)
    with pytest.raises(CdulEdgeError, match="overlap"):
        Views(overlap=0.6)


def test_the_whole_picture_is_one_view() -> None:
    views = WholePicture()
    assert (views.count, views.grid) == (1, "0x0")
    assert views.boxes(50, 40) == [(0, 0, 50, 40)]
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8))
    assert (cut(image, views)[0] == cut(image, Views())[0]).all()
    with pytest.raises(CdulEdgeError, match="0x0 has no tiles"):
        parse_grid("0x0")
    with pytest.raises(CdulEdgeError, match="0x0 has no tiles"):
        Views(0, 0)
