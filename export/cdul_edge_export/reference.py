"""Real pictures that travel with a bundle, so that every device can repeat PyTorch's answers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.pictures.images import PictureList, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

REFERENCE_COUNT = 16
_TRIES_PER_PICTURE = 10  # so that a lost folder of a million pictures is noticed at once


@dataclass(frozen=True, eq=False)
class ReferencePictures:
    """Pictures as the graph takes them.

    Attributes:
        inputs: (K, H, W, 3) uint8 RGB, K >= 1.
        names: what the K pictures are called.
        skipped: why each picture that was tried in vain cannot be read; others took their places.
    """

    inputs: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def choose_reference(
    pictures: PictureList, preprocess: Preprocess, count: int = REFERENCE_COUNT
) -> ReferencePictures:
    """Prepare up to `count` readable pictures, spread evenly over the list.

    Returns:
        1 <= K <= count pictures, named as in the list; a path outside their root loses its folders.

    Raises:
        CdulEdgeError: no picture can be read.
    """
    spread = dict.fromkeys(np.linspace(0, len(pictures) - 1, count).round().astype(int).tolist())
    order = [*spread, *(i for i in range(len(pictures)) if i not in spread)]
    inputs: list[npt.NDArray[np.uint8]] = []
    names: list[str] = []
    faults: list[str] = []
    for index in islice(order, _TRIES_PER_PICTURE * count):
        try:
            image = open_image(pictures.absolute(index))
        except ImageError as error:
            faults.append(str(error))
            continue
        inputs.append(preprocess.apply(image))
        path = Path(pictures.paths[index])
        outside = path.is_absolute() or ".." in path.parts
        names.append(path.name if outside else pictures.paths[index])
        if len(inputs) == count:
            break
    if not inputs:
        tried = f"tried {len(faults)} of {len(pictures)}; {faults[0]}" if faults else "there are 0"
        raise CdulEdgeError(
            f"no reference picture can be read ({tried}): the pictures of the run are not where "
            "they were; name a folder of pictures of the same kind with --reference"
        )
    return ReferencePictures(np.stack(inputs), tuple(names), tuple(faults))
