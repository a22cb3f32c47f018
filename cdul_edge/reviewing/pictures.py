"""Where the pictures of scores lie on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from cdul_edge.reviewing.answer_file import is_sayable
from cdul_edge.reviewing.scores import ReviewedScores
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.matching import find_rows
from cdul_edge_runtime.pictures.images import find_images

FindPicture = Callable[[str], Path | None]


class PictureFinder:
    """Finds the file of a path of the scores, and remembers what was not there.

    Attributes:
        where: the folder or list in which pictures are looked for.
        missing: paths that nobody can be asked about, with the reason, in the order of asking.
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
        self.missing: dict[str, str] = {}
        self.where = scores.root if images is None else images

    def __call__(self, path: str) -> Path | None:
        """The file; None where there is none."""
        if path in self.missing:
            return None
        if not is_sayable(path):
            self.missing[path] = "has a name that no CSV of answers can hold"
            return None
        file = self.find(path)
        if file is None:
            self.missing[path] = f"is not in {self.where}"
        return file

    def find(self, path: str) -> Path | None:
        """The file, whatever its name; what is missing is not remembered."""
        if isinstance(self.where, Path) and not self.where.is_file():
            file = self.where / path
            if _is_file(file):
                return file
        return None if self._images is None else self._by_name.get(path)

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        """All pictures by file name or stem, as `train --images` finds them."""
        assert self._images is not None
        there, asked = find_images(self._images), self._scores.paths()
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
