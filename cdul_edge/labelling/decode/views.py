"""What CLIP sees of a picture: the whole of it, and the snippets of a grid or none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess, Resize

Box = tuple[int, int, int, int]


class Framing(Protocol):
    """Which rectangles of a picture are encoded, and how each becomes a square."""

    @property
    def fit(self) -> Resize:
        """How a view becomes a square; "squash" shows all of it."""

    @property
    def count(self) -> int:
        """Number of views per picture."""

    def boxes(self, width_px: int, height_px: int) -> list[Box]:
        """Left, top, right, bottom of every view, the whole first; right and bottom are outside."""


@dataclass(frozen=True)
class Views:
    """View 0 is the whole picture; then the snippets, row by row.

    Attributes:
        rows, columns: of the grid; without overlap its tiles partition the picture.
        overlap: share of a tile's size by which it grows on every side, in [0, 0.5].
        fit: how a view becomes a square; "squash" shows all of it.

    Raises:
        CdulEdgeError: a grid below 1x1 or an overlap outside [0, 0.5].
    """

    rows: int = 3
    columns: int = 3
    overlap: float = 0.0
    fit: Resize = "squash"
    part_pictures: ClassVar[int] = 512  # per file of the store

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise CdulEdgeError(_no_tiles(self.grid))
        if not 0 <= self.overlap <= 0.5:
            raise CdulEdgeError(f"the overlap {self.overlap} is not in [0, 0.5]")

    @property
    def count(self) -> int:
        """Number of views per picture, 1 + R."""
        return 1 + self.rows * self.columns

    @property
    def grid(self) -> str:
        """As `parse_grid` reads it."""
        return f"{self.rows}x{self.columns}"

    def boxes(self, width_px: int, height_px: int) -> list[Box]:
        """Left, top, right, bottom of every view; right and bottom are outside.

        A picture with fewer pixels than tiles along a side is its own snippet everywhere.
        """
        whole = (0, 0, width_px, height_px)
        if width_px < self.columns or height_px < self.rows:
            return [whole] * self.count
        across = _edges(width_px, self.columns, self.overlap)
        down = _edges(height_px, self.rows, self.overlap)
        return [whole, *((x0, y0, x1, y1) for y0, y1 in down for x0, x1 in across)]


@dataclass(frozen=True)
class WholePicture:
    """One view, for a CLIP whose patch tokens stand for the snippets: `--strategy patches`."""

    fit: Resize = "squash"
    count: ClassVar[int] = 1
    grid: ClassVar[str] = "0x0"  # as manifests have it
    overlap: ClassVar[float] = 0.0
    part_pictures: ClassVar[int] = 128  # 26 MB per file for ViT-B/16

    def boxes(self, width_px: int, height_px: int) -> list[Box]:
        """The whole picture."""
        return [(0, 0, width_px, height_px)]


def parse_grid(text: str) -> tuple[int, int]:
    """Rows and columns of "3x3", "2x4" or "3"; raises `CdulEdgeError` for anything else."""
    first, _, second = text.lower().partition("x")
    try:
        rows, columns = int(first), int(second or first)
    except ValueError as error:
        raise CdulEdgeError(f"the grid {text!r} is not ROWSxCOLUMNS, such as 3x3") from error
    if min(rows, columns) < 1:
        raise CdulEdgeError(_no_tiles(text))
    return rows, columns


def cut_views(
    image: Image.Image, views: Framing, preprocess: Preprocess, out: npt.NDArray[np.uint8]
) -> None:
    """Cut an RGB picture and fit every view into `out`, (1 + R, S, S, 3) uint8.

    A snippet is cropped first and resized then, so it knows nothing of its neighbors' pixels: a box
    in the whole picture would let the filter read beyond it, and the copy is 4 % of the work.
    """
    whole, *snippets = views.boxes(image.width, image.height)
    out[0] = preprocess.apply(image)
    for place, box in enumerate(snippets, start=1):
        out[place] = out[0] if box == whole else preprocess.apply(image.crop(box))


def _no_tiles(grid: str) -> str:
    return f"the grid {grid} has no tiles: give at least 1x1"


def _edges(size_px: int, tiles: int, overlap: float) -> list[tuple[int, int]]:
    cuts = [math.floor(k * size_px / tiles + 0.5) for k in range(tiles + 1)]
    grown = overlap * size_px / tiles
    return [
        (max(0, math.floor(start - grown + 0.5)), min(size_px, math.floor(end + grown + 0.5)))
        for start, end in pairwise(cuts)
    ]
