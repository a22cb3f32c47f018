"""Rows of an earlier store: a picture whose file is the same as then is not encoded again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cdul_edge.labelling.arrays import Floats
from cdul_edge.labelling.store.folder import EARLIER
from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    FOLDER,
    Part,
    read_part,
    read_pictures,
)
from cdul_edge.labelling.store.pictures import StoredPicture, are_same, is_content
from cdul_edge.sources.source import PictureFiles, PictureSource, SourcePicture
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import LabelsError


@dataclass(frozen=True)
class EarlierRows:
    """Where the rows of earlier pictures lie, by path: a file and the row of its values.

    Of files, those are left out that changed; of pictures in shards, only their bytes will tell.
    """

    column: str
    places: dict[str, tuple[Location, int, StoredPicture]]

    def has(self, given: SourcePicture) -> bool:
        """Whether a picture's row is known."""
        place = self.places.get(given.path)
        if place is None or given.content is None:
            return place is not None
        return is_content(given, place[2].content)

    def fill(self, paths: Sequence[str], fresh: Part) -> Part:
        """The part of `paths`: `fresh` ones as they are, the others from earlier.

        Args:
            paths: of the part, in order.
            fresh: of the pictures that were encoded now; its values decide the precision.
        """
        pictures = {picture.path: picture for picture in fresh.pictures}
        values = dict(zip(fresh.labelled, fresh.values, strict=True))
        read: Callable[[Location], Part] = lru_cache(2)(lambda file: read_part(file, self.column))
        for path in paths:
            if path not in pictures:
                file, row, pictures[path] = self.places[path]
                values[path] = read(file).values[row]
        ordered = tuple(pictures[path] for path in paths)
        shape = next((row.shape for row in values.values()), fresh.values.shape[1:])
        rows: Floats = np.empty((len(values), *shape), fresh.values.dtype)
        for row, picture in enumerate(one for one in ordered if one.reason is None):
            rows[row] = values[picture.path]
        return Part(ordered, rows)


def find_earlier(folder: Location, source: PictureSource, column: str) -> EarlierRows:
    """Look through the parts that were set aside, and at the pictures' files.

    Args:
        folder: the labels folder.
        source: the pictures.
        column: "cosines" or "embeddings".
    """
    kind = FOLDER if column == "cosines" else EMBEDDINGS_FOLDER
    places: dict[str, tuple[Location, int, StoredPicture]] = {}
    files: PictureFiles = source.files
    for name in sorted(open_storage(folder).sizes(EARLIER)):
        if not name.startswith(f"{EARLIER}/{kind}-"):
            continue
        if not places:
            files = files.listed()
        file = folder / name
        try:
            readable = [picture for picture in read_pictures(file) if picture.reason is None]
        except LabelsError:  # damaged: its pictures are encoded again
            continue
        known = [True] * len(readable) if source.pictures is None else are_same(files, readable)
        for row, (picture, same) in enumerate(zip(readable, known, strict=True)):
            if same:
                places[picture.path] = (file, row, picture)
    return EarlierRows(column, places)
