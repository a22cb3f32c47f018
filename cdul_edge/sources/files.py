"""Pictures that are files of their own, read by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cdul_edge.sources.listing import list_folder, look_at
from cdul_edge.sources.source import Look, SourcePicture
from cdul_edge.storage.location import Location, Url
from cdul_edge.storage.object_store import ObjectStore
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

    def look(self, path: str) -> Look:
        """Size and time of a picture's file."""
        try:
            found = (self.root / path).stat()
        except (OSError, ValueError):  # ValueError: a zero byte in the name
            return Look()
        return Look(found.st_size, found.st_mtime_ns)

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
    facts: Mapping[str, Look] | None = None

    def read(self, path: str) -> SourcePicture:
        """One picture with its content, and its time where that takes no other request.

        Raises:
            ImageError: it is not there, or too large.
            CdulEdgeError: the store does not answer, or refuses.
        """
        folder, name = self._split(path)
        if isinstance(folder, Path):
            return LocalFiles(folder).read(name)
        try:
            content, mtime_ns = _open(folder).read_dated(name, MAX_PICTURE_BYTES)
        except OSError as error:  # of a store, only that it is not there
            raise ImageError(path, f"cannot be read ({error.strerror or error})") from error
        if content is None:
            raise ImageError(path, f"has more than {MAX_PICTURE_BYTES >> 20:,} MiB")
        return SourcePicture(path, content, mtime_ns)

    def look(self, path: str) -> Look:
        """Size of a picture's file, and its time as `read` tells it, without a fraction."""
        folder, name = self._split(path)
        if isinstance(folder, Path):
            return LocalFiles(folder).look(name)
        known = None if self.facts is None else self.facts.get(path)
        found = known or look_at(folder, [name]).get(name, Look())
        seconds = found.mtime_ns // 10**9 if _open(folder).tells_times else 0
        return Look(found.bytes, seconds * 10**9)

    @property
    def at_once(self) -> int:
        """So many requests hide how long each takes."""
        return 16

    def listed(self) -> RemoteFiles:
        """The same, with a listing of a root that is not of this machine."""
        if isinstance(self.root, Path):
            return self
        return replace(self, facts=list_folder(self.root))

    def _split(self, path: str) -> tuple[Location, str]:
        if "://" not in path:
            return self.root, path
        place = Url(path)
        return place.parent, place.name


@lru_cache(64)
def _open(folder: Url) -> ObjectStore:
    return ObjectStore(folder)


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

    def look(self, path: str) -> Look:
        """Nothing is known of a picture in a shard before the shard is read."""
        return Look()

    @property
    def at_once(self) -> int:
        """Nothing is read by name."""
        return 1

    def listed(self) -> NoFiles:
        """The same."""
        return self
