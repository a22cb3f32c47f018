import numpy as np
import pytest
from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess


def halves(width: int, height: int) -> Image.Image:
    """Left half black, right half white."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 255
    return Image.fromarray(pixels)


def test_squash_shows_the_whole_picture() -> None:
    result = Preprocess(16, 16).apply(halves(64, 32))
    assert result.shape == (16, 16, 3)
    assert result.dtype == np.uint8
    assert (result[:, 0] == 0).all()
    assert (result[:, -1] == 255).all()
    assert result[:, 7].mean() < 128 < result[:, 8].mean()


def test_center_crops_the_sides_of_a_wide_picture() -> None:
    edges = np.full((16, 48, 3), 255, np.uint8)
    edges[:, 16:32] = 0  # only the middle square is black
    assert (Preprocess(16, 16, resize="center").apply(Image.fromarray(edges)) == 0).all()


def test_letterbox_pads_with_the_mean_color() -> None:
    result = Preprocess(16, 16, resize="letterbox").apply(halves(64, 32))
    assert result[0, 0].tolist() == [round(255 * m) for m in (0.485, 0.456, 0.406)]
    assert result[8, 15].tolist() == [255, 255, 255]


def test_shrinking_averages_and_does_not_skip_pixels() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 254
    inner = Preprocess(8, 8).apply(Image.fromarray(stripes))[
        :, 1:-1
    ]  # the border sees half a filter
    assert np.abs(inner.astype(int) - 127).max() <= 1  # nearest sampling would give 0 or 254


def test_height_and_width_do_not_swap() -> None:
    assert Preprocess(24, 16).apply(halves(100, 100)).shape == (24, 16, 3)


def test_settings_read_back_as_they_were() -> None:
    settings = Preprocess(24, 16, "letterbox", "bicubic", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert Preprocess.from_dict(settings.to_dict()) == settings
    with pytest.raises(CdulEdgeError, match="not readable"):
        Preprocess.from_dict({"height_px": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "x": 1})


def test_all_faults_are_named_together() -> None:
    with pytest.raises(CdulEdgeError, match=r"size 0x224 px.*resize 'fill'.*std"):
        Preprocess(224, 0, resize="fill", std=(0.0, 1.0, 1.0))  # type: ignore[arg-type]


def test_a_crop_shows_the_middle_of_the_picture_only() -> None:
    frame = np.full((40, 80, 3), 255, np.uint8)
    frame[8:32, 28:52] = 0  # half of the short side, and 2 px around it for the filter
    half = Preprocess(16, 16, resize="center", crop=0.5)
    assert (half.apply(Image.fromarray(frame)) == 0).all()
    assert Preprocess.from_dict(half.to_dict()) == half
    assert "crop" not in Preprocess(16, 16).to_dict()  # as earlier versions read it
    with pytest.raises(CdulEdgeError, match="crop 0, expected more than 0"):
        Preprocess(16, 16, crop=0)
