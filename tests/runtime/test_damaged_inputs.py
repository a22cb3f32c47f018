"""Damaged pictures, lists, truth and class files: only our errors come out, sound pixels stay."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

from cdul_edge.labelling.encode.prompts import read_prompts
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images, open_image
from tests.fakes.damage import Damage, damage_bytes, damage_json

TWO = ClassList(("cat", "dog"))
NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (10, 14, 3), dtype=np.uint8))


def encode(format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, format, **options)
    return buffer.getvalue()


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 1, "a maker"
    tags[0x011A] = TiffImagePlugin.IFDRational(72, 1)
    camera = tags.get_ifd(0x8769)
    camera[0x9204], camera[0x927C] = TiffImagePlugin.IFDRational(1, 3), b"notes" * 9
    tags.get_ifd(0x8825)[2] = tuple(TiffImagePlugin.IFDRational(n, 7) for n in (1, 2, 3))
    return tags.tobytes()


def png_with_texts() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "words " * 20)
    texts.add_text("Long", "more words " * 20, zip=True)
    texts.add_itxt("Title", "Titel", "de", "Titel")
    return encode("PNG", pnginfo=texts, exif=exif(), icc_profile=b"profile" * 20, dpi=(72, 72))


def jpeg_with_segments() -> bytes:
    return encode(
        "JPEG", exif=exif(), icc_profile=b"profile" * 20, comment=b"words " * 9, dpi=(72, 72),
        xmp=b'<x tiff:Orientation="1"/>',
    )  # fmt: skip


def jpeg_payloads(content: bytes) -> Iterator[tuple[int, int]]:
    """Where the payload of each application segment and comment begins and ends."""
    place = 2
    while content[place + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", content, place + 2)
        if content[place + 1] == 0xFE or 0xE0 <= content[place + 1] <= 0xEF:
            yield place + 4, place + 2 + length
        place += 2 + length


def png_payloads(content: bytes) -> Iterator[tuple[int, int]]:
    """Where the payload of each chunk that no pixel needs begins and ends."""
    place = 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        if content[place + 4] & 0x20:
            yield place + 8, place + 8 + length
        place += 12 + length


def flip_within(
    content: bytes, spans: list[tuple[int, int]], rng: np.random.Generator, *, seal: bool
) -> bytes:
    """Other bytes in one of the spans; with `seal`, PNG's checksum behind it is right again."""
    damaged = bytearray(content)
    start, end = spans[int(rng.integers(len(spans)))]
    for place in rng.integers(start, end, int(rng.integers(1, 9))):
        damaged[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))]))
    if seal:
        damaged[end : end + 4] = struct.pack(">I", zlib.crc32(damaged[start - 4 : end]))
    return bytes(damaged)


def metadata_kinds() -> list[tuple[str, bytes, list[tuple[int, int]], bool]]:
    jpeg, png, webp = jpeg_with_segments(), png_with_texts(), encode("WEBP", exif=exif())
    in_webp = webp.index(exif()[6:20])
    tiff = encode("TIFF", exif=exif())
    in_tiff = tiff.index(b"a maker")  # then the camera's directory and the place's, then pixels
    return [
        ("JPEG", jpeg, list(jpeg_payloads(jpeg)), False),
        ("PNG", png, list(png_payloads(png)), False),
        ("PNG, sealed", png, list(png_payloads(png)), True),
        ("WebP", webp, [(in_webp, in_webp + len(exif()) - 6)], False),
        ("TIFF", tiff, [(in_tiff, len(tiff) - 3 * 14 * 10)], False),
    ]


def check_metadata(seeds: Iterable[int]) -> None:
    for name, content, spans, seal in metadata_kinds():
        expected = open_image(content)
        turned = {expected.transpose(turn).tobytes() for turn in Image.Transpose}
        for seed in seeds:
            damaged = flip_within(content, spans, np.random.default_rng(seed), seal=seal)
            try:
                found = open_image(damaged)
            except Exception as error:
                raise AssertionError(f"{name}, seed {seed}") from error
            # a flip may hit the orientation itself
            assert found.tobytes() in turned | {expected.tobytes()}, f"{name}, seed {seed}"


def test_damaged_metadata_costs_no_pixel() -> None:
    assert len(list(metadata_kinds()[0][2])) >= 4
    check_metadata(range(75))


@pytest.mark.slow
def test_damaged_metadata_costs_no_pixel_many_times() -> None:
    check_metadata(range(1000, 6000))


def pictures() -> dict[str, bytes]:
    palette = io.BytesIO()
    NOISE.quantize(16).save(palette, "PNG", transparency=3)
    formats = {name: encode(name) for name in ("GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA")}
    packed = encode("TIFF", compression="tiff_lzw")
    turned = io.BytesIO()
    ImageOps.grayscale(NOISE).save(turned, "JPEG", progressive=True)
    return {
        **formats,
        "JPEG": jpeg_with_segments(),
        "PNG": png_with_texts(),
        "TIFF with EXIF": encode("TIFF", exif=exif()),
        "palette": palette.getvalue(),
        "LZW": packed,
        "gray": turned.getvalue(),
    }


def check_pictures(seeds: Iterable[int]) -> int:
    refused = 0
    for name, content in pictures().items():
        for seed in seeds:
            damaged = damage_bytes(content, np.random.default_rng(seed))
            try:
                image = open_image(damaged)
            except ImageError as error:
                refused += len(str(error).splitlines()) == 1
            except Exception as error:
                raise AssertionError(f"{name}, seed {seed}") from error
            else:
                assert image.mode == "RGB"
    return refused


def test_a_damaged_picture_is_a_picture_or_an_image_error() -> None:
    assert check_pictures(range(25)) > 50


@pytest.mark.slow
def test_a_damaged_picture_is_a_picture_or_an_image_error_many_times() -> None:
    check_pictures(range(1000, 3000))


@dataclass(frozen=True)
class Case:
    """A text file, how it is damaged, how often in the default suite, and what reads it."""

    name: str
    content: str
    damages: tuple[Damage, ...]
    times: int
    reads: Callable[[Path], object]


def truth(path: Path) -> object:
    return read_truth(path).for_paths(["1.jpg", "x/2.jpg"], TWO)


COCO = {
    "categories": [{"id": 2, "name": "cat"}, {"id": 9, "name": "dog"}],
    "images": [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)],
    "annotations": [{"image_id": 1, "category_id": 9}, {"image_id": 2, "category_id": 2}],
}
VOC = (
    '<?xml version="1.0" encoding="utf-8"?><annotation><filename>1.jpg</filename>'
    "<object><name>cat</name><difficult>1</difficult></object>"
    "<object><name>dog</name></object></annotation>"
)
BYTES = (damage_bytes,)
JSON = (damage_json, damage_json, damage_bytes)
CASES = (
    Case("list.txt", "1.jpg\nx/2.jpg\n./caf\u00e9.png\n" * 1, BYTES, 60, find_images),
    Case("list.csv", 'image_path,label\n1.jpg,"a, b"\nx/2.jpg,\n', BYTES, 60, find_images),
    Case("hot.csv", "image_path,cat,dog\n1.jpg,1,0\nx/2.jpg,-1,\n", BYTES, 60, truth),
    Case("names.csv", 'image_path,label\n1.jpg,"cat,dog"\n2.jpg,dog|cat\n', BYTES, 60, truth),
    Case("coco.json", json.dumps(COCO), JSON, 120, truth),
    Case("voc/1.xml", VOC, BYTES, 90, lambda path: truth(path.parent)),
    Case("classes.txt", "# mine\ncat\ndog: dog | hound\nratio 16:9\n", BYTES, 60, read_prompts),
    Case("ids.json", '{"0": "cat", "1": "dog"}', JSON, 60, read_prompts),
    Case("prompts.json", '{"a cat": "cat", "a dog": "dog"}', JSON, 60, read_prompts),
    Case("yolo.yaml", "nc: 2\nnames:\n  0: cat\n  1: 'a dog'\n", BYTES, 90, read_prompts),
)


def check_text(tmp_path: Path, case: Case, seeds: Iterable[int]) -> int:
    file, refused = tmp_path / case.name, 0
    file.parent.mkdir(exist_ok=True)
    for seed in seeds:
        damage = case.damages[seed % len(case.damages)]
        file.write_bytes(damage(case.content.encode(), np.random.default_rng(seed)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                case.reads(file)
        except CdulEdgeError as error:
            refused += len(str(error).splitlines()) == 1
        except Exception as error:
            raise AssertionError(f"{case.name}, {damage.__name__}, seed {seed}") from error
    return refused


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_damaged_text_is_one_of_our_errors(tmp_path: Path, case: Case) -> None:
    (tmp_path / case.name).parent.mkdir(exist_ok=True)
    (tmp_path / case.name).write_text(case.content, encoding="utf-8")
    case.reads(tmp_path / case.name)  # sound, it is read
    assert check_text(tmp_path, case, range(case.times)) > case.times // 10


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_damaged_text_is_one_of_our_errors_many_times(tmp_path: Path, case: Case) -> None:
    check_text(tmp_path, case, range(1000, 1000 + 30 * case.times))
