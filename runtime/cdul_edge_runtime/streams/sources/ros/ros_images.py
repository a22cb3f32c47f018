"""Pictures as ROS sends them: sensor_msgs/Image and sensor_msgs/CompressedImage.

No ROS is needed: a bag, rclpy and DDS all have the same fields. Encodings are those of
sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.pictures.rgb import pack
from cdul_edge_runtime.streams.frame import Pixels

Bytes: TypeAlias = "bytes | bytearray | memoryview | array[int] | npt.NDArray[np.uint8]"


@dataclass(frozen=True)
class _Layout:
    """Channels of a pixel in memory, where red is, and bytes of a channel."""

    channels: int
    color: Color = "rgb"
    depth_bytes: int = 1


_LAYOUTS = {
    "rgb8": _Layout(3),
    "bgr8": _Layout(3, "bgr"),
    "rgba8": _Layout(4),
    "bgra8": _Layout(4, "bgr"),
    "mono8": _Layout(1),
    "8uc1": _Layout(1),
    "rgb16": _Layout(3, "rgb", 2),
    "bgr16": _Layout(3, "bgr", 2),
    "rgba16": _Layout(4, "rgb", 2),
    "bgra16": _Layout(4, "bgr", 2),
    "mono16": _Layout(1, "rgb", 2),
}
# Two pixels in four bytes; where the first luma and the two chromas lie.
_YUV_422 = {
    "yuv422": (1, 0, 2),
    "uyvy": (1, 0, 2),
    "yuv422_yuy2": (0, 1, 3),
    "yuyv": (0, 1, 3),
}
ENCODINGS = tuple(_LAYOUTS) + tuple(_YUV_422)


@dataclass(frozen=True, eq=False)
class RosImage:
    """The fields of a sensor_msgs/Image that make a picture.

    Attributes:
        encoding: such as "rgb8"; see `ENCODINGS`.
        width_px, height_px: of the picture.
        step: bytes from one row to the next; rows may be padded.
        big_endian: of 16-bit channels.
        data: at least `step * height_px` bytes, of which the last row's padding may be absent.
    """

    encoding: str
    width_px: int
    height_px: int
    step: int
    big_endian: bool
    data: Bytes

    @classmethod
    def of(cls, message: Any) -> RosImage:
        """Of a sensor_msgs/Image, as rosbags, rclpy or DDS has it."""
        return cls(
            message.encoding,
            message.width,
            message.height,
            message.step,
            bool(message.is_bigendian),
            message.data,
        )


def decode_image(image: RosImage) -> tuple[Pixels, Color]:
    """(H, W, 3) uint8 and the order of its channels.

    Gray becomes three channels, alpha is left out, of 16 bits the upper eight stay, and YUV is
    BT.601 of video range, as OpenCV and cv_bridge take it.

    Raises:
        CdulEdgeError: an encoding that is not a color or gray picture; all frames have it.
        ImageError: fewer bytes than the fields claim, or no pixels.
    """
    encoding = image.encoding.strip().lower()
    if encoding in _YUV_422:
        return _from_yuv(image, _YUV_422[encoding]), "rgb"
    if encoding not in _LAYOUTS:
        raise CdulEdgeError(_refusal(image.encoding, encoding))
    layout = _LAYOUTS[encoding]
    pixel_bytes = layout.channels * layout.depth_bytes
    rows = _rows(image, image.width_px * pixel_bytes)
    pixels = rows.reshape(image.height_px, image.width_px, layout.channels, layout.depth_bytes)
    upper = 0 if image.big_endian or layout.depth_bytes == 1 else 1
    pixels = pixels[..., : min(layout.channels, 3), upper]
    if layout.channels == 1:
        return np.repeat(pixels, 3, axis=2), layout.color
    return np.ascontiguousarray(pixels), layout.color


def decode_compressed(format: str, data: Bytes) -> Pixels:
    """(H, W, 3) uint8 RGB of the JPEG, PNG or other picture in a sensor_msgs/CompressedImage.

    Args:
        format: the message's field, such as "jpeg" or "rgb8; jpeg compressed bgr8". What is inside
            decides; the field only tells depth images.
        data: the compressed bytes.

    Raises:
        CdulEdgeError: a depth image, or video.
        ImageError: the bytes are no picture, or are damaged.
    """
    low = format.lower()
    if "compresseddepth" in low or low in ("h264", "h265", "hevc", "av1"):
        raise CdulEdgeError(
            f"the compressed format {format!r} is not a color picture: expected JPEG or PNG, so "
            "choose another topic"
        )
    return pack(open_image(bytes(data), f"a {format or 'compressed'} image"))


def _refusal(named: str, encoding: str) -> str:
    if encoding.startswith("bayer"):
        fix = "record the topic of image_proc's debayer node instead, which is in color"
    elif encoding in ("16uc1", "32fc1"):
        fix = "it is a depth image, so choose the topic of the color camera"
    else:
        fix = f"expected one of {', '.join(ENCODINGS)}"
    return f"the encoding {named!r} is not supported: {fix}"


def _rows(image: RosImage, row_bytes: int) -> Pixels:
    """(H, row_bytes) uint8 without padding."""
    name, height = f"a {image.encoding} image", image.height_px
    if height < 1 or image.width_px < 1:
        raise ImageError(name, f"has {image.width_px}x{height} pixels")
    if image.step < row_bytes:
        raise ImageError(
            name, f"has a step of {image.step} bytes, and its rows take {row_bytes} bytes"
        )
    data = np.frombuffer(image.data, np.uint8)
    needed = image.step * (height - 1) + row_bytes
    if data.size < needed:
        raise ImageError(name, f"holds {data.size} bytes, and {needed} are expected")
    return np.lib.stride_tricks.as_strided(
        data, (height, row_bytes), (image.step, 1), writeable=False
    )


def _from_yuv(image: RosImage, offsets: tuple[int, int, int]) -> Pixels:
    """ITU-R BT.601 with Y in [16, 235]; a pair of pixels shares its chroma."""
    if image.width_px % 2:
        raise ImageError(f"a {image.encoding} image", f"has an odd width, {image.width_px}")
    first, blue, red = offsets
    pairs = _rows(image, image.width_px * 2).reshape(image.height_px, -1, 4)
    luma = 1.164383 * (pairs[..., (first, first + 2)].astype(np.float32) - 16)
    cb = pairs[..., blue, np.newaxis].astype(np.float32) - 128
    cr = pairs[..., red, np.newaxis].astype(np.float32) - 128
    channels = (
        luma + 1.596027 * cr,
        luma - 0.391762 * cb - 0.812968 * cr,
        luma + 2.017232 * cb,
    )
    whole = np.stack(channels, axis=-1).reshape(image.height_px, image.width_px, 3)
    pixels: Pixels = np.rint(whole).clip(0, 255).astype(np.uint8)
    return pixels
