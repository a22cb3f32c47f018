"""Pictures that are files of their own, read by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdul_edge.sources.source import FileFacts, SourcePicture
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures.images import read_picture


@dataclass(frozen=True)
class LocalFiles:
    """Files of this machine.

    Attributes:
        root: what relative paths are relative to.
    """

    root: Path

    def read(self, path: str) -> SourcePicture:
        """One picture with its content; raises `ImageError` where it cannot be read.

        Its time is of before: a file that is written meanwhile is seen to be newer later.
        """
        mtime_ns = self.look(path).mtime_ns
        return SourcePicture(path, read_picture(self.root / path, path), mtime_ns)

    def look(self, path: str) -> FileFacts:
        """Size and time of a picture's file."""
        try:
            found = (self.root / path).stat()
        except (OSError, ValueError):  # ValueError: a zero byte in the name
            return FileFacts()
        return FileFacts(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class NoFiles:
    """The files of a source that hands out every picture with its content.

    Attributes:
        where: the shards, for messages.
    """

    where: str

    def read(self, path: str) -> SourcePicture:
        """Raises `ImageError`: a shard is read from its beginning."""
        raise ImageError(path, f"lies in a shard of {self.where}, which is read as a whole")

    def look(self, path: str) -> FileFacts:
        """Nothing is known of a picture in a shard before the shard is read."""
        return FileFacts()
