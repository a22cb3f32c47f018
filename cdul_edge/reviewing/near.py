"""Which candidates' pictures are nearly the same: by what they show, else by their scores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge.reviewing.candidates import Candidate
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import open_image

_SIDE = 8  # of the hash: 64 bits
_NEAR_BITS = 8  # of the 64: the same scene a moment later
_NEAR_SCORES = 0.01  # as far as sketches of them tell


class NearPictures:
    """Tells pictures apart; each is opened once, when it is first asked about."""

    def __init__(self) -> None:
        self._hashes: dict[int, int | None] = {}

    def any_alike(self, one: Candidate, others: Iterable[Candidate]) -> bool:
        """Whether another picture among these looks like this one."""
        return any(self._alike(one, other) for other in others)

    def _alike(self, one: Candidate, other: Candidate) -> bool:
        if one.row == other.row:
            return False
        first, second = self._hash(one), self._hash(other)
        if first is not None and second is not None:
            return (first ^ second).bit_count() <= _NEAR_BITS
        if first is not None or second is not None:
            return False
        return bool(np.abs(one.sketch - other.sketch).max() <= _NEAR_SCORES)

    def _hash(self, one: Candidate) -> int | None:
        if one.row not in self._hashes:
            self._hashes[one.row] = None if one.file is None else _hash_picture(one.file)
        return self._hashes[one.row]


def _hash_picture(file: Path) -> int | None:
    """64 bits that tell whether a picture looks like another; None where it cannot be opened.

    Each bit says whether a cell of 9 x 8 gray ones is darker than its neighbor to the right: the
    difference hash (Krawetz 2013, "Kind of Like That").
    """
    try:
        gray = open_image(file).convert("L")
    except (CdulEdgeError, OSError):
        return None
    cells = np.asarray(gray.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), np.int16)
    bits: npt.NDArray[np.bool_] = cells[:, 1:] > cells[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
