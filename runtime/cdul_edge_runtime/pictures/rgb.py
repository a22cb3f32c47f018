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


def without_gaps(
    pixels: npt.NDArray[np.uint8], color: Color
) -> tuple[npt.NDArray[np.uint8], Color]:
    """A (height, width, 3) uint8 array in one piece, and the order that its channels are in now.

    Memory without gaps is read where it lies, mirrored channels (`frame[..., ::-1]`) as well;
    anything else is copied.
    """
    if pixels.flags.c_contiguous:
        return pixels, color
    mirrored = pixels[:, :, ::-1]
    if mirrored.flags.c_contiguous:
        return mirrored, "rgb" if color == "bgr" else "bgr"
    return np.ascontiguousarray(pixels), color


def from_array(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """A picture of an array `without_gaps`, whose channels stay in their order."""
    height, width, _ = pixels.shape
    image = Image.new("RGB", (width, height), None)
    image.frombytes(pixels, "raw", "RGB", 0, 1)
    return image


def pack(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 of an RGB picture."""
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, 3)


def mirror(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A copy whose first and last channels changed places."""
    mirrored = np.empty(pixels.shape, np.uint8)
    for channel in range(3):  # in a third of the time that `pixels[..., ::-1]` takes to copy
        mirrored[..., channel] = pixels[..., 2 - channel]
    return mirrored


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
