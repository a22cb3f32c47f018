"""Every kind of picture is found and read the same way; every kind of damage has a reason."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures.decoding import MAX_PIXELS
from cdul_edge_runtime.pictures.images import open_image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def left_and_right(mode: str, left: Any, right: Any) -> Image.Image:
    image = Image.new(mode, (4, 2), left)
    image.paste(right, (2, 0, 4, 2))
    return image


def colors(content: bytes) -> tuple[object, object]:
    image = open_image(content)
    assert image.mode == "RGB"
    return image.getpixel((0, 0)), image.getpixel((image.width - 1, 0))


def test_exif_orientation_is_applied() -> None:
    picture = left_and_right("RGB", RED, BLUE)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: the left edge is the top
    upright = open_image(encode(picture, exif=exif))
    assert upright.size == (2, 4)
    assert upright.getpixel((0, 0)) == RED
    assert upright.getpixel((0, 3)) == BLUE
    mirrored = Image.Exif()
    mirrored[0x0112] = 2
    assert colors(encode(picture, exif=mirrored)) == (BLUE, RED)


def test_cmyk_is_read_as_the_colors_one_sees() -> None:
    content = encode(left_and_right("CMYK", (0, 255, 255, 0), (255, 255, 0, 0)), "TIFF")
    assert colors(content) == (RED, BLUE)


def test_palettes_one_bit_and_greys() -> None:
    palette = left_and_right("RGB", RED, BLUE).quantize(4)
    assert colors(encode(palette)) == (RED, BLUE)
    assert colors(encode(left_and_right("1", 0, 1))) == ((0, 0, 0), (255, 255, 255))
    assert colors(encode(left_and_right("L", 10, 200))) == ((10,) * 3, (200,) * 3)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    values = np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16)
    image = open_image(encode(Image.fromarray(values)))
    assert [image.getpixel((x, y)) for y in (0, 1) for x in (0, 1)] == [
        (0,) * 3,
        (100,) * 3,
        (200,) * 3,
        (255,) * 3,
    ]


def test_alpha_is_laid_over_white_in_every_form() -> None:
    assert colors(encode(left_and_right("RGBA", (*RED, 255), (*RED, 0)))) == (RED, (255,) * 3)
    assert colors(encode(left_and_right("LA", (40, 255), (40, 0)))) == ((40,) * 3, (255,) * 3)
    palette = left_and_right("P", 0, 1)
    palette.putpalette([*RED, *BLUE])
    assert colors(encode(palette, transparency=1)) == (RED, (255, 255, 255))


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in (RED, GREEN)]
    for format in ("GIF", "PNG", "WEBP"):
        content = encode(frames[0], format, save_all=True, append_images=frames[1:])
        pixel = open_image(content).getpixel((0, 0))
        assert isinstance(pixel, tuple)
        assert pixel[0] > 200
        assert pixel[1] < 60


def test_the_content_decides_the_format_and_not_the_ending(tmp_path: Path) -> None:
    Image.new("RGB", (3, 3), BLUE).save(tmp_path / "really.png")
    (tmp_path / "really.png").rename(tmp_path / "claimed.JPG")
    assert open_image(tmp_path / "claimed.JPG").getpixel((0, 0)) == BLUE


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [b"IHDR" + header, b"IDAT" + zlib.compress(b""), b"IEND"]
    packed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


JPEG = encode(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
PNG = encode(Image.effect_noise((64, 64), 80).convert("RGB"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"just text", "is not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is a PostScript program"),
        (JPEG[: len(JPEG) // 2], "is damaged"),
        (PNG[: len(PNG) // 2], "is damaged"),
        (JPEG[:30], "is not a picture|is damaged"),
        (PNG[:60] + bytes(len(PNG) - 60), "is damaged|is not a picture"),
        (png_claiming(MAX_PIXELS // 1000 + 1, 1000), "pixels, more than|has more than"),
        (png_claiming(100_000, 100_000), "has more than"),
        (encode(Image.new("F", (2, 2), 0.5), "TIFF"), "floating-point"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        open_image(content, "a/b.jpg")
    assert caught.value.path == "a/b.jpg"
    assert "a/b.jpg" not in caught.value.reason


def test_missing_files_and_folders_are_image_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(ImageError, match="cannot be read"):
            open_image(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_an_image_error(tmp_path: Path) -> None:
    file = tmp_path / "secret.png"
    file.write_bytes(PNG)
    file.chmod(0)
    with pytest.raises(ImageError, match="cannot be read"):
        open_image(file)


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_is_never_anything_but_an_image_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for content in (
        JPEG,
        PNG,
        encode(Image.new("P", (20, 20)), "GIF"),
        encode(Image.effect_noise((20, 20), 50), "TIFF"),
    ):
        damaged = bytearray(content)
        for place in rng.integers(0, len(damaged), 12):
            damaged[place] = rng.integers(0, 256)
        with contextlib.suppress(ImageError):
            assert open_image(bytes(damaged)).mode == "RGB"
