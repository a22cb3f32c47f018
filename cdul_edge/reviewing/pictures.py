"""Where the pictures of scores lie on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from cdul_edge.reviewing.answer_file import is_sayable
from cdul_edge.reviewing.scores import ReviewedScores
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.matching import find_rows
from cdul_edge_runtime.pictures.images import find_images

FindPicture = Callable[[str], Path | None]


class PictureFinder:
    """Finds the file of a path of the scores, and counts what nobody can be asked about.

    Attributes:
        where: the folder or list in which pictures are looked for.
        missing: how many paths had no picture that can be shown.
        example: the first of them, with the reason.
    """

    def __init__(self, scores: ReviewedScores, images: Path | None) -> None:
        if images is None and not isinstance(scores.root, Path):
            place = "is not said" if scores.root is None else f"is {scores.root}"
            raise CdulEdgeError(
                f"nobody can answer without pictures, and where they lie {place}: give a folder of "
                "this machine as --images"
            )
        if images is not None and not images.exists():
            raise CdulEdgeError(f"--images {images} does not exist: give the pictures' folder")
        self._scores = scores
        self._images = images
        self._damaged: dict[str, str] = {}
        self.where = scores.root if images is None else images
        self.missing = 0
        self.example: tuple[str, str] | None = None

    def __call__(self, path: str) -> Path | None:
        """The file; None where nobody can be asked about it."""
        file = None if path in self._damaged else self.find(path)
        if file is not None and is_sayable(path):
            return file
        if file is not None:
            reason = "has a name that no CSV of answers can hold"
        else:
            reason = self._damaged.get(path, f"is not in {self.where}")
        self.missing += 1
        self.example = self.example or (path, reason)
        return None

    def leave_out(self, damaged: Mapping[str, str]) -> None:
        """Take these paths, with their reasons, for missing, and count again from 0."""
        self._damaged.update(damaged)
        self.missing, self.example = 0, None

    def find(self, path: str) -> Path | None:
        """The file, whatever its name and content."""
        if isinstance(self.where, Path) and not self.where.is_file():
            file = self.where / path
            if _is_file(file):
                return file
        return None if self._images is None else self._by_name.get(path)

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        """All pictures by file name or stem, as `train --images` finds them."""
        assert self._images is not None
        there, asked = find_images(self._images), tuple(self._scores.paths())
        matches = find_rows(there.paths, asked, whose=f"{self._images}")
        return {
            path: there.root / there.paths[row]
            for path, row, found in zip(asked, matches.rows, matches.found, strict=True)
            if found
        }


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero
        return False
