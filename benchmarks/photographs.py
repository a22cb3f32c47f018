"""Where the real photographs lie, and which of their classes are reported.

They are an animal-heavy subset of VOC 2012 (a README stands beside them), so no figure measured on
them is a VOC result. Pictures and truth stay outside the repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import PictureList, find_images

DATA = Path(__file__).parents[2] / "shared" / "data" / "voc2012-photos"
# Of the 20 that are trained, those with at least 40 held-out positives.
REPORTED = ("dog", "cat", "person", "horse", "sheep", "cow", "sofa", "chair")


@dataclass(frozen=True)
class Photographs:
    """The folders of the real photographs.

    Raises:
        CdulEdgeError: they are not there.
    """

    folder: Path = DATA

    def __post_init__(self) -> None:
        if not (self.train.is_dir() and self.heldout.is_dir()):
            raise CdulEdgeError(
                f"{self.folder} holds no train/ and heldout/ folders of photographs: give the "
                "folder that does with --data"
            )

    @property
    def train(self) -> Path:
        """1,697 photographs without labels."""
        return self.folder / "train"

    @property
    def heldout(self) -> Path:
        """947 photographs that nothing is trained, calibrated, or tuned on."""
        return self.folder / "heldout"

    @property
    def heldout_table(self) -> Path:
        """What the held-out photographs show."""
        return self.folder / "heldout.csv"

    def heldout_truth(self, classes: ClassList) -> tuple[PictureList, npt.NDArray[np.int8]]:
        """The held-out photographs, and what they show: (947, C) int8, -1 where unknown."""
        pictures = find_images(self.heldout)
        table = read_truth(self.heldout_table)
        return pictures, table.for_paths(pictures.paths, classes, pictures.root)


def reported_columns(classes: ClassList) -> list[int]:
    """The columns of the reported classes.

    Raises:
        CdulEdgeError: one of them was not trained.
    """
    missing = [name for name in REPORTED if name not in classes.names]
    if missing:
        raise CdulEdgeError(f"the run knows no {', '.join(missing)}: label with VOC's 20 classes")
    return [classes.names.index(name) for name in REPORTED]
