"""Pictures in a fixed order, cut into parts, from wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cdul_edge.storage.location import Location


@dataclass(frozen=True)
class SourcePicture:
    """A picture as its source hands it out.

    Attributes:
        path: what the picture is called, unique in its source: relative to a folder's or a list's
            root, the member's name in a tar shard, the value of the column `path` in Parquet.
        content: the bytes of the file; None where whoever decodes it reads them, by
            `PictureFiles.read`.
        mtime_ns: when it was last written; 0 where nothing tells.
        reason: why it has no content that could be decoded; None where nothing is wrong yet.
    """

    path: str
    content: bytes | None = None
    mtime_ns: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class Look:
    """What a look at a picture's file tells: its bytes, -1 where there is none, and its time."""

    bytes: int = -1
    mtime_ns: int = 0


class PictureFiles(Protocol):
    """Pictures that are read by name; small, for it is sent to every decoding process."""

    @property
    def at_once(self) -> int:
        """How many to read at the same time; 1 where waiting costs nothing."""
        ...

    def read(self, path: str) -> SourcePicture:
        """One picture with its content; for local files this imports no pyarrow.

        Raises:
            ImageError: it cannot be read.
            CdulEdgeError: none can, as the store of them all does not answer.
        """
        ...

    def look(self, path: str) -> Look:
        """Size and time of a picture's file, without reading it."""
        ...

    def listed(self) -> PictureFiles:
        """The same, to look at very many: an object store is listed once for all."""
        ...


class PictureSource(Protocol):
    """Pictures of a folder, a list, or shards; picklable, as it travels to processes."""

    @property
    def root(self) -> Location:
        """What the pictures' paths are relative to, or the folder of the shards."""
        ...

    @property
    def files(self) -> PictureFiles:
        """What reads the pictures that `part` gives without content."""
        ...

    @property
    def parts(self) -> int:
        """How many parts there are."""
        ...

    @property
    def pictures(self) -> int | None:
        """How many pictures there are; None for shards that were not read yet."""
        ...

    def paths(self, part: int) -> tuple[str, ...]:
        """Paths of a part, in order; of shards that is a pass over them."""
        ...

    def part(self, part: int) -> Iterator[SourcePicture]:
        """The pictures of a part, in order; a shard is read once, from its beginning.

        Raises:
            CdulEdgeError: a shard that is gone, cut or damaged, by name.
        """
        ...

    def fingerprint(self) -> str:
        """SHA-256 of all paths in order; of shards, of their names and sizes."""
        ...

    def read(self, path: str) -> SourcePicture:
        """One picture with its content, as `PictureFiles.read`.

        Raises:
            ImageError: it cannot be read.
        """
        ...
