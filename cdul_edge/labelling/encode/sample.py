"""A few of the pictures that are to be encoded, for a trial."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.sources.source import SourcePicture

# Pictures that are looked at for one that can be read.
MOST_UNREADABLE = 20


def read_sample(reader: PictureReader, given: Iterable[SourcePicture], views: int) -> Pixels:
    """Views (`views`, 1, S, S, 3) of the first pictures that can be read, or noise if none can.

    Fewer views than asked for are repeated.
    """
    side = reader.preprocess.height_px
    found: list[Pixels] = []
    unreadable = 0
    for one in given:
        if len(found) * reader.views.count >= views or unreadable >= MOST_UNREADABLE:
            break
        out = np.empty(reader.shape(1), np.uint8)
        (picture,) = reader.read_batch([one], out)
        if picture.reason is None:
            found.append(out[0])
        else:
            unreadable += 1
    if not found:
        noise = np.random.default_rng(0).integers(0, 256, (views, side, side, 3), dtype=np.uint8)
        found = [noise]
    flat = np.concatenate(found)
    sample: Pixels = flat[np.arange(views) % len(flat)][:, None]
    return sample
