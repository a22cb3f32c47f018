"""Where the pictures of scores lie, and which of them are nearly the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import open_image

FindPicture = Callable[[str], Path | None]
Hash = int

_SIDE = 8  # of the hash: 64 bits
NEAR_BITS = 8  # of the 64: the same scene a moment later


def hash_picture(file: Path) -> Hash | None:
    """64 bits that tell whether a picture looks like another; None where it cannot be opened.

    Each bit says whether a cell of 9 x 8 gray ones is darker than its neighbor to the right: the
    difference hash (Krawetz 2013, "Kind of Like That").
    """
    try:
        gray = open_image(file).convert("L")
    except (CdulEdgeError, OSError):
        return None
    cells = np.asarray(gray.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), np.int16)
    return pack_bits(cells[:, 1:] > cells[:, :-1])


def pack_bits(bits: npt.NDArray[np.bool_]) -> Hash:
    """An integer of these bits, the first one highest."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def look_alike(first: Hash, second: Hash) -> bool:
    """Whether two hashes differ in at most `NEAR_BITS` bits."""
    return (first ^ second).bit_count() <= NEAR_BITS
