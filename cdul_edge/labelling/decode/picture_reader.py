"""From a picture's file to the squares that CLIP is shown; numpy and Pillow only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.decode.views import Framing, cut_views
from cdul_edge.labelling.store.pictures import StoredPicture, read_content
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

LONGEST_REASON = 200


@dataclass(frozen=True)
class PictureReader:
    """Where pictures lie and what to make of them."""

    root: Path
    views: Framing
    preprocess: Preprocess

    def shape(self, pictures: int) -> tuple[int, ...]:
        """Of the squares of so many pictures: (pictures, views, S, S, 3)."""
        side = self.preprocess.height_px
        return pictures, self.views.count, side, side, 3

    def read_batch(self, paths: Sequence[str], out: Pixels) -> tuple[StoredPicture, ...]:
        """Decode each picture once and write its views into `out`, packed without gaps."""
        pictures = []
        filled = 0
        for path in paths:
            picture = self._read(path, out[filled])
            filled += picture.reason is None
            pictures.append(picture)
        return tuple(pictures)

    def _read(self, path: str, out: Pixels) -> StoredPicture:
        file = self.root / path
        try:
            image = open_image(file, path)
            cut_views(image, self.views, self.preprocess, out)
        except ImageError as error:
            reason = error.reason[:LONGEST_REASON]
        except MemoryError:
            reason = "needs more memory than there is"
        else:
            content = read_content(file, digest=True)
            return StoredPicture(path, image.width, image.height, content)
        return StoredPicture(path, content=read_content(file, digest=False), reason=reason)
