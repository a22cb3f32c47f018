"""Tiny videos, whole and damaged, written with PyAV."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

av = pytest.importorskip("av", reason="needs cdul-edge[video]")

Pixels = npt.NDArray[np.uint8]


def gray(value: int, width: int = 64, height: int = 48) -> Pixels:
    """(H, W, 3) uint8 of one gray."""
    return np.full((height, width, 3), value, np.uint8)


def gray_levels(count: int = 10) -> list[Pixels]:
    """Pictures that tell their number by their brightness: 10, 30, 50..."""
    return [gray(20 * number + 10) for number in range(count)]


def plain(*rgb: int) -> Pixels:
    """(64, 64, 3) uint8 of one color."""
    return np.full((64, 64, 3), rgb, np.uint8)


def write_video(
    path: Path,
    pictures: Sequence[Pixels],
    *,
    codec: str = "mpeg4",
    pixel_format: str = "yuv420p",
    fps: int = 25,
    pts_ms: Sequence[int] | None = None,
    color: tuple[int, int] | None = None,
) -> Path:
    """A video of `fps` frames a second, or with a time for each frame.

    Args:
        path: its suffix names the container.
        pictures: (H, W, 3) uint8 each, all of one size.
        codec: such as "libx264".
        pixel_format: what the codec is given.
        pts_ms: time of each frame, rising; may begin below 0.
        color: FFmpeg's numbers of a matrix (1 is BT.709, 5 is BT.601) and a range (2 is full).
    """
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.max_b_frames = 0
        if codec != "gif":
            stream.codec_context.time_base = Fraction(1, 1000 if pts_ms else fps)
        if color is not None:
            stream.codec_context.colorspace, stream.codec_context.color_range = color
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if color is not None:
                frame = frame.reformat(
                    format=pixel_format, dst_colorspace=color[0], dst_color_range=color[1]
                )
            if pts_ms is not None:
                frame.pts, frame.time_base = pts_ms[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A tenth of a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mp2", rate=44100)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 4 * 1152), np.int16), format="s16", layout="mono"
        )
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the display matrix (a, b, c, d) of an MP4, as a telephone does (ISO 14496-12, tkhd)."""
    a, b, c, d = (value << 16 for value in matrix)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def claim_duration(path: Path, seconds: int) -> None:
    """Write a wrong duration into each header of an MP4 that has one."""
    data = bytearray(path.read_bytes())
    for box, scale, duration in ((b"mvhd", 16, 20), (b"mdhd", 16, 20)):
        start = data.index(box)
        (units,) = struct.unpack_from(">I", data, start + scale)
        struct.pack_into(">I", data, start + duration, seconds * units)
    path.write_bytes(data)


def blank_pictures(path: Path, numbers: Sequence[int]) -> None:
    """Write zeros over some pictures of a Motion JPEG file."""
    data = bytearray(path.read_bytes())
    starts = [found.start() for found in re.finditer(b"\xff\xd8\xff", bytes(data))]
    for number in numbers:
        data[starts[number] : starts[number + 1]] = bytes(starts[number + 1] - starts[number])
    path.write_bytes(data)
