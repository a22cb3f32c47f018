"""Pictures that are files of their own, read by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cdul_edge.sources.listing import list_folder
from cdul_edge.sources.source import FileFacts, SourcePicture
from cdul_edge.storage.location import Location, Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge.storage.storage import Storage
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures.images import MAX_PICTURE_BYTES, read_picture


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

    @property
    def at_once(self) -> int:
        """One: every core has a process of its own that reads."""
        return 1

    def listed(self) -> LocalFiles:
        """The same."""
        return self


@dataclass(frozen=True)
class RemoteFiles:
    """Files of an object store, or named by addresses of their own.

    Attributes:
        root: what names without an address are relative to.
        facts: of a listing, by name.
    """

    root: Location
    facts: Mapping[str, FileFacts] | None = None

    def read(self, path: str) -> SourcePicture:
        """One picture with its content; stores tell times at the price of another request.

        Raises:
            ImageError: it is not there, or too large.
            CdulEdgeError: the store does not answer, or refuses.
        """
        folder, name = self._split(path)
        try:
            with _open(folder).open(name) as file:
                content = bytes(file.read(MAX_PICTURE_BYTES + 1))
        except OSError as error:  # of a store, only that it is not there
            raise ImageError(path, f"cannot be read ({error.strerror or error})") from error
        if len(content) > MAX_PICTURE_BYTES:
            raise ImageError(path, f"has more than {MAX_PICTURE_BYTES >> 20:,} MiB")
        return SourcePicture(path, content)

    def look(self, path: str) -> FileFacts:
        """The size of a picture's file."""
        if self.facts is not None and path in self.facts:
            return FileFacts(self.facts[path].bytes)
        folder, name = self._split(path)
        found = _open(folder).sizes_of([name])
        return FileFacts(found[name]) if name in found else FileFacts()

    @property
    def at_once(self) -> int:
        """So many requests hide how long each takes."""
        return 16

    def listed(self) -> RemoteFiles:
        """The same, with a listing of the root."""
        return replace(self, facts=list_folder(self.root))

    def _split(self, path: str) -> tuple[Location, str]:
        if "://" not in path:
            return self.root, path
        place = Url(path)
        return place.parent, place.name


@lru_cache(64)
def _open(folder: Location) -> Storage:
    return open_storage(folder)


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

    @property
    def at_once(self) -> int:
        """Nothing is read by name."""
        return 1

    def listed(self) -> NoFiles:
        """The same."""
        return self
