"""Pictures of a page: which are embedded, how they look, and what is said of the others."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from cdul_edge.page.thumbnails import Thumbnails


def small(thumbnails: Thumbnails, path: str) -> Image.Image:
    """What the page shows of it."""
    one = thumbnails.thumbnail(path)
    assert one is not None
    kind, _, content = one.address.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")


def near(found: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) <= 12 for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((192, 96), (96, 48)), ((30, 20), (30, 20)), ((1, 5000), (1, 96)), ((5000, 1), (96, 1))],
)
def test_the_longer_side_is_96_pixels_or_its_own(
    size: tuple[int, int], wanted: tuple[int, int], tmp_path: Path
) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    thumbnails = Thumbnails(tmp_path)
    assert small(thumbnails, "a.png").size == wanted
    (one,) = thumbnails.all()
    assert (one.width, one.height) == wanted


def test_every_kind_of_picture_has_its_colors(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("CMYK", (40, 40), (255, 0, 0, 0)).save(tmp_path / "cmyk.jpg")
    Image.new("I;16", (40, 40), 32768).save(tmp_path / "deep.png")
    Image.new("P", (40, 40), 0).save(tmp_path / "palette.gif")
    thumbnails = Thumbnails(tmp_path)
    middle = {
        path.name: small(thumbnails, path.name).getpixel((20, 20)) for path in tmp_path.iterdir()
    }
    assert near(middle["clear.png"], (255, 255, 255))  # laid over white
    assert near(middle["cmyk.jpg"], (0, 255, 255))
    assert near(middle["deep.png"], (128, 128, 128))
    assert near(middle["palette.gif"], (0, 0, 0))
    assert thumbnails.missing == {}


def test_a_picture_is_upright(tmp_path: Path) -> None:
    turned = Image.new("RGB", (80, 40), "blue")
    turned.paste("red", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is the right side of what is stored
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = small(Thumbnails(tmp_path), "turned.jpg")
    assert upright.size == (40, 80)
    assert near(upright.getpixel((20, 10)), (255, 0, 0))
    assert near(upright.getpixel((20, 70)), (0, 0, 255))


def test_one_content_under_many_paths_is_embedded_once(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    Image.new("RGB", (40, 40), "blue").save(tmp_path / "c.png")
    thumbnails = Thumbnails(tmp_path)
    paths = ["a.png", "c.png", "b.png", "a.png", str(tmp_path / "a.png")]
    assert [thumbnails.add(one) for one in paths] == ["p0", "p1", "p0", "p0", "p0"]
    assert [one.name for one in thumbnails.all()] == ["p0", "p1"]


def test_what_cannot_be_shown_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    thumbnails = Thumbnails(tmp_path)
    paths = ["gone.jpg", "broken.jpg", "empty.png", "folder.png", "nul\0.jpg", "\udc80.jpg"]
    assert [thumbnails.add(one) for one in paths * 2] == [None] * 12
    assert list(thumbnails.missing) == paths
    assert "is empty" in thumbnails.missing["empty.png"]
    # The page says it on every machine alike.
    assert not [one for one in thumbnails.missing.values() if str(tmp_path) in one]
    assert thumbnails.all() == ()


def test_where_nobody_knows_the_folder_no_picture_is_shown() -> None:
    thumbnails = Thumbnails(None)
    assert thumbnails.add("a.png") is None
    assert thumbnails.missing == {"a.png": "it is not known where the pictures lie"}
