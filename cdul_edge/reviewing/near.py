"""Which candidates' pictures are nearly the same: by what they show, else by their scores."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cdul_edge.reviewing.candidates import Candidate
from cdul_edge.reviewing.pictures import Hash, hash_picture, look_alike

_NEAR_SCORES = 0.01  # as far as sketches of them tell


class NearPictures:
    """Tells pictures apart; each is opened once, when it is first asked about."""

    def __init__(self) -> None:
        self._hashes: dict[int, Hash | None] = {}

    def any_alike(self, one: Candidate, others: Iterable[Candidate]) -> bool:
        """Whether another picture among these looks like this one."""
        return any(self._alike(one, other) for other in others)

    def _alike(self, one: Candidate, other: Candidate) -> bool:
        if one.row == other.row:
            return False
        first, second = self._hash(one), self._hash(other)
        if first is not None and second is not None:
            return look_alike(first, second)
        if first is not None or second is not None:
            return False
        return bool(np.abs(one.sketch - other.sketch).max() <= _NEAR_SCORES)

    def _hash(self, one: Candidate) -> Hash | None:
        if one.row not in self._hashes:
            self._hashes[one.row] = None if one.file is None else hash_picture(one.file)
        return self._hashes[one.row]
