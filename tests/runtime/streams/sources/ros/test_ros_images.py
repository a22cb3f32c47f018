"""sensor_msgs/Image to an array: each encoding, padded rows, both byte orders, YUV by hand."""

from __future__ import annotations

import array

import numpy as np
import pytest

from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.streams.sources.ros.ros_images import (
    RosImage,
    decode_compressed,
    decode_image,
)


def decode(encoding: str, data: bytes, *, step: int, big_endian: bool = False) -> object:
    """Of a picture that is 2 pixels wide and 1 high."""
    pixels, color = decode_image(RosImage(encoding, 2, 1, step, big_endian, data))
    assert pixels.flags.c_contiguous
    assert pixels.dtype == np.uint8
    return pixels[0].tolist(), color


@pytest.mark.parametrize(
    ("encoding", "data", "pixels", "color"),
    [
        ("rgb8", [1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]], "rgb"),
        ("bgr8", [1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]], "bgr"),
        ("rgba8", [1, 2, 3, 99, 4, 5, 6, 99], [[1, 2, 3], [4, 5, 6]], "rgb"),
        ("bgra8", [1, 2, 3, 99, 4, 5, 6, 99], [[1, 2, 3], [4, 5, 6]], "bgr"),
        ("mono8", [7, 8], [[7, 7, 7], [8, 8, 8]], "rgb"),
        ("8UC1", [7, 8], [[7, 7, 7], [8, 8, 8]], "rgb"),
    ],
)
def test_each_encoding_of_8_bits(
    encoding: str, data: list[int], pixels: list[list[int]], color: str
) -> None:
    assert decode(encoding, bytes(data), step=len(data)) == (pixels, color)


@pytest.mark.parametrize(("big_endian", "upper"), [(False, [2, 4]), (True, [1, 3])])
def test_of_16_bits_the_upper_ones_stay(big_endian: bool, upper: list[int]) -> None:
    pixels = [[level] * 3 for level in upper]
    data = bytes([1, 2, 3, 4])
    assert decode("mono16", data, step=4, big_endian=big_endian) == (pixels, "rgb")
    wide = bytes(range(16))
    first, second = ([0, 2, 4], [8, 10, 12]) if big_endian else ([1, 3, 5], [9, 11, 13])
    assert decode("bgra16", wide, step=16, big_endian=big_endian) == ([first, second], "bgr")


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "YUYV"])
def test_yuv_is_bt601_of_video_range(encoding: str) -> None:
    # BT.601's red is Y 82, U 90, V 240; white is Y 235 and black Y 16, with U and V 128
    for (y0, y1), (u, v), expected in [
        ((82, 82), (90, 240), [[255, 1, 0], [255, 1, 0]]),
        ((235, 16), (128, 128), [[255, 255, 255], [0, 0, 0]]),
    ]:
        luma_first = encoding.lower() in ("yuv422_yuy2", "yuyv")
        data = bytes([y0, u, y1, v] if luma_first else [u, y0, v, y1])
        pixels, color = decode_image(RosImage(encoding, 2, 1, 4, False, data))
        assert np.abs(pixels[0].astype(int) - expected).max() <= 1
        assert color == "rgb"


def test_padding_of_rows_is_left_out_and_the_last_row_may_lack_it() -> None:
    data = bytes([1, 2, 3, 99, 99, 4, 5, 6])
    for given in (data, bytearray(data), memoryview(data), array.array("B", data)):
        pixels, _ = decode_image(RosImage("rgb8", 1, 2, 5, False, memoryview(given)))
        assert pixels.tolist() == [[[1, 2, 3]], [[4, 5, 6]]]


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        ("bayer_rggb8", "the encoding 'bayer_rggb8' is not supported: record the topic of image_p"),
        ("16UC1", "it is a depth image, so choose the topic of the color camera"),
        ("32FC1", "it is a depth image"),
        ("8UC3", "expected one of rgb8, bgr8"),  # nothing says where red is
        ("", "the encoding '' is not supported"),
    ],
)
def test_what_is_no_picture_in_color_is_refused_by_name(encoding: str, reason: str) -> None:
    with pytest.raises(CdulEdgeError, match=reason) as caught:
        decode(encoding, bytes(64), step=32)
    assert not isinstance(caught.value, ImageError)  # another frame would not be better


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (RosImage("rgb8", 2, 1, 6, False, bytes(5)), "holds 5 bytes, and 6 are expected"),
        (RosImage("rgb8", 2, 2, 8, False, bytes(13)), "holds 13 bytes, and 14 are expected"),
        (RosImage("rgb8", 2, 1, 5, False, bytes(6)), "a step of 5 bytes, and its rows take 6"),
        (RosImage("rgb8", 0, 1, 0, False, b""), "has 0x1 pixels"),
        (RosImage("rgb8", 2, 0, 6, False, b""), "has 2x0 pixels"),
        (RosImage("uyvy", 3, 1, 6, False, bytes(6)), "has an odd width, 3"),
    ],
)
def test_fields_that_do_not_fit_the_bytes_are_damage(image: RosImage, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_image(image)


@pytest.mark.parametrize("format", ["16UC1; compressedDepth png", "h264"])
def test_depth_and_video_are_no_pictures(format: str) -> None:
    with pytest.raises(CdulEdgeError, match="is not a color picture"):
        decode_compressed(format, b"")


def test_compressed_bytes_that_are_no_picture_are_damage() -> None:
    with pytest.raises(ImageError, match="a jpeg image"):
        decode_compressed("jpeg", b"no jpeg")
