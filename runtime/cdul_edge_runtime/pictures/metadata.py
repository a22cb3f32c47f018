"""What a picture file holds beside its pixels; damage there must never cost the pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_JPEG_METADATA = frozenset({0xFE, *range(0xE0, 0xF0)})  # comments and application segments

_PNG = b"\x89PNG\r\n\x1a\n"
# Ancillary PNG chunks that decide how pixels look: transparency, and the frames of an animation.
_PNG_PIXELS = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})

# TIFF tags without which pixels cannot be decoded, and the orientation.
_TIFF_PIXELS = frozenset(
    {254, 256, 257, 258, 259, 262, 263, 266, 273, 274, 277, 278, 279, 284, 285, 290, 291, 292, 293}
    | {317, 320, 322, 323, 324, 325, 332, 334, 336, 338, 339, 340, 341, 347, 512, 513, 514, 515}
    | {517, 518, 519, 520, 521, 529, 530, 531, 532}
)


def find_turn(image: Image.Image) -> Image.Transpose | None:
    """How `image` is to be turned to stand upright; None where nothing readable says so."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 (Pillow's parser of EXIF raises anything for damaged EXIF)
        return None


def simpler_versions(content: bytes) -> Iterator[bytes]:
    """The same picture with less and less metadata, for decoders that stumble over it.

    JPEG loses its comments and application segments (the orientation only in the last version),
    PNG every chunk and TIFF every tag that no pixel needs. Nothing is yielded where nothing can be
    taken away.
    """
    try:
        versions = [version for version in _simplify(content) if version != content]
    except (struct.error, IndexError, OverflowError):  # damaged beyond its metadata
        return
    yield from dict.fromkeys(versions)


def _simplify(content: bytes) -> list[bytes]:
    if content.startswith(b"\xff\xd8\xff"):
        return [_strip_jpeg(content, keep_exif=True), _strip_jpeg(content, keep_exif=False)]
    if content.startswith(_PNG):
        return [_strip_png(content)]
    if content[:4] in (b"II*\0", b"MM\0*"):
        return [_strip_tiff(content)]
    return []


def _strip_jpeg(content: bytes, *, keep_exif: bool) -> bytes:
    kept, place = [content[:2]], 2
    while content[place] == 0xFF and content[place + 1] != 0xDA:  # until the first scan
        marker = content[place + 1]
        (length,) = struct.unpack_from(">H", content, place + 2)
        segment = content[place : place + 2 + length]
        place += 2 + length
        if (
            marker not in _JPEG_METADATA
            or _decides_colors(marker, segment[4:])
            or (keep_exif and marker == 0xE1 and segment[4:10] == b"Exif\0\0")
        ):
            kept.append(segment)
    return b"".join([*kept, content[place:]])


def _decides_colors(marker: int, payload: bytes) -> bool:
    """Sound JFIF and Adobe segments tell decoders how colors are coded."""
    is_jfif = marker == 0xE0 and payload[:5] == b"JFIF\0" and len(payload) >= 14
    return is_jfif or (marker == 0xEE and payload[:5] == b"Adobe" and len(payload) >= 12)


def _strip_png(content: bytes) -> bytes:
    kept, place = [_PNG], len(_PNG)
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunk = content[place : place + 12 + length]
        place += 12 + length
        name = chunk[4:8]
        critical = not name[0] & 0x20
        if critical or name in _PNG_PIXELS or (name == b"eXIf" and _has_sound_checksum(chunk)):
            kept.append(chunk)
    return b"".join(kept)


def _has_sound_checksum(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _strip_tiff(content: bytes) -> bytes:
    """Rewrite the first directory in place with the tags that pixels need, and no next one."""
    order = "<" if content.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    entries = [
        content[place : place + 12] for place in range(start + 2, start + 2 + 12 * count, 12)
    ]
    kept = [entry for entry in entries if struct.unpack_from(order + "H", entry)[0] in _TIFF_PIXELS]
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept) + bytes(4)
    end = start + 2 + 12 * count + 4
    return content[:start] + directory.ljust(end - start, b"\0") + content[end:]
