"""Metadata never costs pixels, one picture never costs the run, and nothing endless is opened."""

from __future__ import annotations

import io
import os
import socket
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures import images
from cdul_edge_runtime.pictures.images import open_image, upright_rgb
from tests.fakes.strange_exif import exif_with_minus_one_over_zero, sound_exif

WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def noise(width: int = 20, height: int = 10) -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png(header: tuple[int, int, int, int], pixels: bytes, *chunks: bytes) -> bytes:
    """A PNG of (width, height, bits, color type), with chunks before its pixels."""
    first = b"IHDR" + struct.pack(">IIBBBBB", *header, 0, 0, 0)
    parts = [first, *chunks, b"IDAT" + zlib.compress(pixels), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(packed, parts))


def packed(chunk: bytes) -> bytes:
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_rational_of_minus_one_over_zero_costs_neither_pixels_nor_orientation(
    format: str,
) -> None:
    damaged = exif_with_minus_one_over_zero()
    expected = open_image(encode(noise(), format, exif=sound_exif()))
    found = open_image(encode(noise(), format, exif=damaged))
    assert found.size == (10, 20)
    assert found.tobytes() == expected.tobytes()


def test_a_jpeg_whose_application_segments_are_nonsense_keeps_its_pixels() -> None:
    content = encode(noise(), "JPEG")
    expected = open_image(content).tobytes()
    for marker, payload in (
        (0xE0, b"JFIF"),  # cut before its version
        (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff"),
        (0xE1, b"Exif\0\0" + b"\xff" * 20),
        (0xFE, b"\xff" * 9),
    ):
        segment = struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
        assert open_image(content[:2] + segment + content[2:]).tobytes() == expected
        assert open_image(content[:20] + segment + content[20:]).tobytes() == expected


def test_a_tiff_whose_tags_are_nonsense_keeps_its_pixels() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x010E], tags[0x0131] = "a description", "a program"
    for compression in ("raw", "tiff_lzw"):
        content = encode(noise(), "TIFF", tiffinfo=tags, compression=compression)
        for tag in (0x010E, 0x0131):
            for kind in (5, 10, 12, 13, 0, 99):  # rational, signed, double, pointer, unknown
                place = content.index(struct.pack("<HH", tag, 2))
                entry = struct.pack("<HHII", tag, kind, 0x7FFFFFFF, 0xFFFFFF00)
                damaged = content[:place] + entry + content[place + 12 :]
                assert open_image(damaged).tobytes() == noise().tobytes()


def test_a_png_with_long_or_damaged_comments_keeps_its_pixels() -> None:
    row = b"\0" + bytes((*RED, *BLUE))
    long = b"zTXtkey\0\0" + zlib.compress(bytes(3 << 20))
    compressed = (long, b"iTXtk\0\1\0\0\0" + long[9:], b"iCCPname\0\0junk")
    for chunk in (*compressed, b"eXIfII*\0\xff\xff", b"gAMA\1", b"cHRM", b"pHYs\1", b"sRGB"):
        assert open_image(png((2, 1, 8, 2), row, chunk)).tobytes() == bytes((*RED, *BLUE))
    content = png((2, 1, 8, 2), row, b"tEXtkey\0some words")
    wrong = content.replace(b"some words", b"other word")  # its checksum is wrong now
    assert open_image(wrong).tobytes() == bytes((*RED, *BLUE))
    end = content.index(b"IEND") - 4
    behind = content[:end] + packed(b"tEXtkey\0words")[:-1] + b"\0" + content[end:]
    assert open_image(behind).tobytes() == bytes((*RED, *BLUE))


def test_a_png_with_damaged_pixels_or_transparency_is_damaged() -> None:
    content = png((2, 1, 8, 2), b"\0" + bytes((*RED, *BLUE)), b"tEXtkey\0some words")
    place = content.index(b"IDAT") + 8
    broken = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    with pytest.raises(ImageError, match="is damaged"):
        open_image(broken.replace(b"some words", b"other word"))
    clear = packed(b"tRNS" + struct.pack(">HHH", *RED))
    start = content.index(b"tEXt") - 4
    with pytest.raises(ImageError):
        open_image(content[:start] + clear[:-1] + b"\0" + content[start:])


@pytest.mark.parametrize(
    ("header", "row", "clear", "pixels"),
    [
        ((2, 1, 8, 2), bytes((*RED, *BLUE)), struct.pack(">HHH", *RED), (WHITE, BLUE)),
        ((2, 1, 8, 0), bytes((9, 200)), struct.pack(">H", 9), (WHITE, (200,) * 3)),
        (
            (2, 1, 16, 2),
            struct.pack(">6H", 0xFF12, 0, 0, 0, 0, 0xFF00),
            struct.pack(">HHH", 0xFF12, 0, 0),
            (WHITE, BLUE),
        ),
        (
            (2, 1, 16, 2),
            struct.pack(">6H", 10, 20, 30, 0x0A00, 0x1400, 0x1E00),
            struct.pack(">HHH", 10, 20, 30),
            (WHITE, (10, 20, 30)),
        ),
        (
            (2, 1, 16, 0),
            struct.pack(">2H", 257 * 9, 257 * 200),
            struct.pack(">H", 257 * 9),
            (WHITE, (200,) * 3),
        ),
        ((8, 1, 1, 0), b"\x7f", struct.pack(">H", 1), ((0, 0, 0), WHITE)),
        ((8, 1, 1, 0), b"\x80", struct.pack(">H", 0), (WHITE, WHITE)),
    ],
)
def test_a_color_that_png_names_transparent_is_white(
    header: tuple[int, int, int, int], row: bytes, clear: bytes, pixels: tuple[object, object]
) -> None:
    image = open_image(png(header, b"\0" + row, b"tRNS" + clear))
    assert (image.getpixel((0, 0)), image.getpixel((1, 0))) == pixels


def test_a_palette_with_an_alpha_for_each_color_is_laid_over_white() -> None:
    palette = b"PLTE" + bytes((*RED, *BLUE))
    content = png((2, 1, 8, 3), b"\0\0\1", palette, b"tRNS" + bytes((255, 127)))
    image = open_image(content)
    assert image.getpixel((0, 0)) == RED
    assert image.getpixel((1, 0)) == (128, 128, 255)


def test_images_without_pixels_and_closed_ones_are_image_errors(tmp_path: Path) -> None:
    for size in ((0, 0), (0, 5), (5, 0)):
        with pytest.raises(ImageError, match=f"has {size[0]}x{size[1]} pixels"):
            upright_rgb(Image.new("RGB", size))
    closed = Image.new("RGB", (4, 4))
    closed.close()
    with pytest.raises(ImageError, match="closed"):
        upright_rgb(closed)
    noise().save(tmp_path / "1.png")
    with Image.open(tmp_path / "1.png") as opened:
        pass
    with pytest.raises(ImageError, match="closed"):
        upright_rgb(opened)


@pytest.mark.parametrize(
    "raised",
    [struct.error, ZeroDivisionError, AssertionError, MemoryError, RecursionError, SystemError],
)
def test_a_decoder_may_raise_anything(
    monkeypatch: pytest.MonkeyPatch, raised: type[Exception]
) -> None:
    def fail(self: Image.Image) -> None:
        raise raised

    content = encode(noise(), "BMP")
    monkeypatch.setattr("PIL.BmpImagePlugin.BmpImageFile.load", fail)
    with pytest.raises(ImageError, match=f"{raised.__name__}|memory"):
        open_image(content)


def in_time(work: Callable[[], object]) -> None:
    """Run `work`, which must raise an ImageError, and not wait for what never comes."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except ImageError as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert len(caught) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_sockets_and_devices_are_no_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    for name, kind in (("pipe", "pipe"), ("endless", "device"), ("socket", "socket")):
        file = tmp_path / f"{name}.jpg"
        in_time(lambda file=file: open_image(file))  # type: ignore[misc]
        with pytest.raises(ImageError, match=f"cannot be read .it is a .*{kind}"):
            open_image(file)


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path) -> None:
    file = tmp_path / "sparse.jpg"
    with file.open("wb") as sparse:
        sparse.truncate(3 << 30)
    with pytest.raises(ImageError, match="has 3,072 MiB, more than the limit of 1,024 MiB"):
        open_image(file)


def test_a_file_at_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "1.png"
    noise().save(file)
    monkeypatch.setattr(images, "MAX_PICTURE_BYTES", file.stat().st_size)
    assert open_image(file).tobytes() == noise().tobytes()
    monkeypatch.setattr(images, "MAX_PICTURE_BYTES", file.stat().st_size - 1)
    with pytest.raises(ImageError, match="more than the limit"):
        open_image(file)


def test_threads_leave_the_filters_for_warnings_as_they_were() -> None:
    content = encode(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [open_image(content) for _ in range(40)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
