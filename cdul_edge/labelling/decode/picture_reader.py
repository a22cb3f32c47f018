"""From a picture's bytes to the squares that CLIP is shown; numpy and Pillow only."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.decode.views import Framing, cut_views
from cdul_edge.labelling.store.pictures import Content, StoredPicture, digest_bytes
from cdul_edge.sources.source import PictureFiles, SourcePicture
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

LONGEST_REASON = 200


@dataclass(frozen=True)
class PictureReader:
    """What reads pictures that come without their bytes, and what to make of them all."""

    files: PictureFiles
    views: Framing
    preprocess: Preprocess

    def shape(self, pictures: int) -> tuple[int, ...]:
        """Of the squares of so many pictures: (pictures, views, S, S, 3)."""
        side = self.preprocess.height_px
        return pictures, self.views.count, side, side, 3

    def read_batch(self, given: Sequence[SourcePicture], out: Pixels) -> tuple[StoredPicture, ...]:
        """Read each picture once and write its views into `out`, packed without gaps.

        What is recorded of its bytes is of those that were decoded.
        """
        if self.files.at_once > 1:
            with ThreadPoolExecutor(self.files.at_once) as pool:
                given = list(pool.map(self._bring, given))
        pictures = []
        filled = 0
        for one in given:
            picture = self._read(one, out[filled])
            filled += picture.reason is None
            pictures.append(picture)
        return tuple(pictures)

    def look(self, picture: SourcePicture) -> Content:
        """Size and time of a picture that is not decoded."""
        if picture.content is not None:
            return Content(len(picture.content), picture.mtime_ns, None)
        found = self.files.look(picture.path)
        return Content(found.bytes, found.mtime_ns, None)

    def _read(self, given: SourcePicture, out: Pixels) -> StoredPicture:
        picture = self._bring(given)
        reason, content = picture.reason, picture.content
        try:
            if reason is None:
                assert content is not None
                image = open_image(content, given.path)
                cut_views(image, self.views, self.preprocess, out)
                known = Content(len(content), picture.mtime_ns, digest_bytes(content))
                return StoredPicture(given.path, image.width, image.height, known)
        except ImageError as error:
            reason = error.reason[:LONGEST_REASON]
        except MemoryError:
            reason = "needs more memory than there is"
        return StoredPicture(given.path, content=self.look(picture), reason=reason)

    def _bring(self, given: SourcePicture) -> SourcePicture:
        """The picture with its bytes, or with the reason why there are none."""
        if given.content is not None or given.reason is not None:
            return given
        try:
            return self.files.read(given.path)
        except ImageError as error:
            return replace(given, reason=error.reason[:LONGEST_REASON])
        except MemoryError:
            return replace(given, reason="needs more memory than there is")
