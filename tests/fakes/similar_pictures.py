"""Pictures of colored squares with similarities of these and others, as a cache of CLIP's holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

CLASSES = ("red", "green", "blue")
SIDE = 32


@dataclass(frozen=True)
class SimilarPictures:
    """`train/` and `heldout/` of pictures, a file of similarities, and truth.

    The file has a row for every training picture, by its stem, and for as many pictures that are
    not here. Truth is known for the first half of the training pictures, and for all held-out ones.
    """

    root: Path

    @property
    def similarities(self) -> Path:
        return self.root / "similarities.npz"

    @property
    def train(self) -> Path:
        return self.root / "train"

    @property
    def known(self) -> Path:
        return self.root / "train_known.csv"

    @property
    def heldout(self) -> Path:
        return self.root / "heldout"

    @property
    def truth(self) -> Path:
        return self.root / "heldout.csv"


def paint_similar_pictures(
    root: Path, train: int = 24, heldout: int = 12, classes: Sequence[str] = CLASSES
) -> SimilarPictures:
    """Paint the pictures; class c is in those whose number has bit c modulo 3."""
    rng = np.random.default_rng(5)
    for folder, count in (("train", train), ("heldout", heldout)):
        (root / folder).mkdir(parents=True)
        present = _present(count, len(classes))
        for number, row in enumerate(present):
            _paint(row, rng).save(root / folder / f"{folder}{number:02}.png")
        known = count // 2 if folder == "train" else count
        rows = [
            f"{folder}/{folder}{number:02}.png,"
            + '"'
            + ",".join(name for name, here in zip(classes, present[number], strict=True) if here)
            + '"'
            for number in range(known)
        ]
        name = "train_known.csv" if folder == "train" else "heldout.csv"
        (root / name).write_text("image_path,label\n" + "\n".join(rows) + "\n")
    present = np.tile(_present(train, len(classes)), (2, 1))
    names = [f"train{number:02}" for number in range(train)]
    names += [f"elsewhere{number:02}" for number in range(train)]
    cosines = 0.2 + 0.05 * present + rng.normal(0, 0.01, present.shape)
    np.savez(
        root / "similarities.npz",
        names=np.array(names),
        classes=np.array(classes),
        global_cosines=cosines.astype(np.float32),
        local_max_cosines=(cosines + 0.02).astype(np.float32),
        local_min_cosines=(cosines - 0.02).astype(np.float32),
    )
    return SimilarPictures(root)


def _present(count: int, classes: int) -> npt.NDArray[np.bool_]:
    return np.asarray((np.arange(count)[:, None] >> np.arange(classes) % 3) % 2 == 1)


def _paint(present: npt.NDArray[np.bool_], rng: np.random.Generator) -> Image.Image:
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    for channel in np.flatnonzero(present[:3]):
        left, top = int(channel) * 11, int(rng.integers(0, 22))
        pixels[top : top + 10, left : left + 10] = 20
        pixels[top : top + 10, left : left + 10, channel] = 240
    return Image.fromarray(pixels)
