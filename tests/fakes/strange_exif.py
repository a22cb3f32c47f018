"""EXIF that Pillow reads and cannot write again."""

from __future__ import annotations

import struct

from PIL import Image, TiffImagePlugin

_RESOLUTION = 0x011A


def sound_exif(orientation: int = 6) -> bytes:
    """EXIF of a picture that lies on its side, with a resolution of 1/3."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[_RESOLUTION] = TiffImagePlugin.IFDRational(1, 3)
    return exif.tobytes()


def exif_with_minus_one_over_zero(orientation: int = 6) -> bytes:
    """The same with the signed rational -1/0, as some cameras write it for "unknown"."""
    sound = sound_exif(orientation)
    unsigned, signed = (struct.pack(">HH", _RESOLUTION, kind) for kind in (5, 10))
    damaged = sound.replace(unsigned, signed)
    return damaged.replace(struct.pack(">II", 1, 3), struct.pack(">iI", -1, 0))
