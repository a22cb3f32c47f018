"""From any of Pillow's modes to RGB: transparency over white, 16-bit grays to 8 bits.

And from arrays to pictures, and back.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.choices import Color

WHITE = (255, 255, 255, 255)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded picture; `image` itself where it is RGB without transparency.

    A color that PNG's tRNS chunk names as transparent becomes white, in RGB and gray pictures as
    well as in palettes.
    """
    transparent = image.info.get("transparency")
    if image.mode.startswith("I"):  # 16-bit grays: Pillow's own conversion clips them at 255
        return _from_16_bits(image, transparent)
    if image.mode == "RGB" and isinstance(transparent, tuple):
        return _whiten(image, transparent)
    if image.mode == "RGB":
        return image
    if "A" in image.mode or "a" in image.mode or transparent is not None:
        return _over_white(image)
    return image.convert("RGB")


def from_array(pixels: npt.NDArray[np.uint8], color: Color) -> tuple[Image.Image, Color]:
    """A (height, width, 3) uint8 array as a picture, and the order that its channels are in now.

    Memory without gaps is read where it lies, mirrored channels (`frame[..., ::-1]`) as well;
    anything else is copied first.
    """
    mirrored = pixels[:, :, ::-1]
    if mirrored.flags.c_contiguous and not pixels.flags.c_contiguous:
        pixels, color = mirrored, "rgb" if color == "bgr" else "bgr"
    height, width, _ = pixels.shape
    flat = np.ascontiguousarray(pixels)
    image = Image.new("RGB", (width, height), None)  # its memory need not be cleared first
    image.frombytes(flat, "raw", "RGB", 0, 1)
    return image, color


def pack(image: Image.Image, color: Color) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB of an RGB picture, whose channels are in the order `color`."""
    packed = image.tobytes("raw", color.upper())
    return np.frombuffer(packed, np.uint8).reshape(image.height, image.width, 3)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # premultiplied: the only way to RGBA leads over LA
        image = image.convert("LA")
    layered = image.convert("RGBA")
    canvas = Image.new("RGBA", layered.size, WHITE)
    return Image.alpha_composite(canvas, layered).convert("RGB")


def _whiten(image: Image.Image, color: tuple[int, ...]) -> Image.Image:
    """Pixels of exactly this color become white."""
    if max(color) > 255:  # a picture of 16 bits per channel, of which the upper 8 are left
        color = tuple(value >> 8 for value in color)
    pixels = np.array(image)
    pixels[(pixels == np.array(color, np.uint8)).all(axis=2)] = 255
    return Image.fromarray(pixels)


def _from_16_bits(image: Image.Image, transparent: object) -> Image.Image:
    values = np.asarray(image)
    grays = _scale_16_bits(values)
    if isinstance(transparent, int):
        grays[values == transparent] = 255
    return Image.fromarray(grays).convert("RGB")


def _scale_16_bits(values: npt.NDArray[np.int32] | npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """The nearest of 256 grays: 65535 / 255 is 257, which is odd, so that there are no ties."""
    within = np.clip(values, 0, 65535).astype(np.uint32)
    return ((within + 128) // 257).astype(np.uint8)
