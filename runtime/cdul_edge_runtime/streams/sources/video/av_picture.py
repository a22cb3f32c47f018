"""Decoded pictures, turned upright and converted only when they are needed."""

from __future__ import annotations

import threading

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.frame import Pixels

_ABORTS = ("yaf32be", "yaf32le")  # FFmpeg 8 ends the process where it is to convert one


class Converter:
    """Makes RGB of decoded pictures; one for all frames of a source, as its tables are costly."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._lock = threading.Lock()  # frames are converted where they are classified
        self._rotation: float | None = None
        self._matrix: tuple[int, int, int, int] | None = None

    def to_rgb(self, picture: av.VideoFrame) -> Pixels:
        """(H, W, 3) uint8 as a viewer would see it, of any pixel format, matrix, and range.

        Raises:
            CdulEdgeError: FFmpeg cannot convert its pixel format; most are packed ones that only
                raw video has.
        """
        with self._lock:
            try:
                if picture.format.name in _ABORTS:
                    raise _unreadable(picture)
                rgb = self._reformatter.reformat(picture, format="rgb24", threads=1)
            except av.FFmpegError:
                raise _unreadable(picture) from None
            matrix = self._matrix_of(picture)
        pixels: Pixels = rgb.to_ndarray().astype(np.uint8, copy=False)
        return np.ascontiguousarray(upright(pixels, matrix))

    def _matrix_of(self, picture: av.VideoFrame) -> tuple[int, int, int, int] | None:
        rotation = float(picture.rotation)
        if rotation != self._rotation:
            # A frame and its `side_data` refer to each other, which would keep the decoder's buffer
            # until the garbage collector comes by: so those of a tiny copy are read.
            tiny = VideoReformatter().reformat(picture, width=16, height=16, format="gray")
            self._rotation, self._matrix = rotation, display_matrix(tiny)
        return self._matrix


def _unreadable(picture: av.VideoFrame) -> CdulEdgeError:
    return CdulEdgeError(
        f"FFmpeg cannot convert its pixel format {picture.format.name} to RGB: re-encode it, as "
        "with ffmpeg -i VIDEO -pix_fmt yuv420p NEW_VIDEO"
    )


class LazyPicture:
    """A picture that is converted once; it keeps the decoder's buffer only until then."""

    def __init__(self, picture: av.VideoFrame, converter: Converter) -> None:
        self._picture: av.VideoFrame | None = picture
        self._converter = converter
        self._pixels: Pixels | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Pixels:
        """(H, W, 3) uint8 RGB."""
        with self._lock:
            if self._pixels is None:
                self._pixels = self._converter.to_rgb(self._picture)
                self._picture = None
            return self._pixels


def display_matrix(picture: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """How the picture lies on the screen, (a, b, c, d): x' = a x + c y and y' = b x + d y.

    None where the video does not say. FFmpeg's libavutil/display.h describes the matrix: nine
    int32 in the order a b u c d v x y w.
    """
    data = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d


def upright(pixels: Pixels, matrix: tuple[int, int, int, int] | None) -> Pixels:
    """A picture turned and mirrored as its matrix says, to the nearest quarter of a turn."""
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    across, down = a, d
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels = pixels.transpose(1, 0, 2)
        across, down = c, b
    return pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
