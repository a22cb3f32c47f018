"""Pictures in shards: tar files, or Parquet files with a column of image bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, TypeAlias

from cdul_edge.sources.files import NoFiles
from cdul_edge.sources.left_out import LeftOut
from cdul_edge.sources.parquet_shard import read_parquet
from cdul_edge.sources.source import SourcePicture
from cdul_edge.sources.tar_shard import read_tar
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError

Format: TypeAlias = Literal["tar", "parquet"]


@dataclass(frozen=True)
class Shard:
    """One file with many pictures.

    Attributes:
        name: relative to the folder of the shards.
        bytes: its size when it was listed.
        mtime_ns: when it was last written; 0 where nothing tells.
    """

    name: str
    bytes: int
    mtime_ns: int = 0


@dataclass(frozen=True)
class ShardPictures:
    """As `PictureSource`: the pictures of some shards, which are read when their part is made.

    Attributes:
        root: the folder of the shards.
        shards: in order.
        part_shards: shards per part.
        format: of each shard.
        left_out: counts what is no picture.
    """

    root: Location
    shards: tuple[Shard, ...]
    part_shards: int
    format: Format
    left_out: LeftOut = field(default_factory=LeftOut, compare=False, repr=False)

    @property
    def files(self) -> NoFiles:
        """Nothing: every picture comes with its content."""
        return NoFiles(str(self.root))

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-len(self.shards) // self.part_shards)

    @property
    def pictures(self) -> None:
        """Unknown before the shards are read."""
        return None

    def shards_of(self, part: int) -> tuple[Shard, ...]:
        """The shards of a part."""
        return self.shards[part * self.part_shards : (part + 1) * self.part_shards]

    def paths(self, part: int) -> tuple[str, ...]:
        """Paths of a part, in order: its shards are read for them."""
        return tuple(picture.path for picture in self.part(part))

    def part(self, part: int) -> Iterator[SourcePicture]:
        """The pictures of a part with their content.

        Raises:
            CdulEdgeError: a shard that is gone, changed, cut or damaged, or two pictures of one
                name.
        """
        seen: dict[str, str] = {}
        for shard in self.shards_of(part):
            before = len(seen)
            for picture in self._pictures(shard):
                if picture.path in seen:
                    raise CdulEdgeError(say_doubled(picture.path, seen[picture.path], shard.name))
                seen[picture.path] = shard.name
                yield picture
            if len(seen) == before:
                raise CdulEdgeError(
                    f"the shard {self.root / shard.name} holds no pictures: leave it out"
                )

    def fingerprint(self) -> str:
        """SHA-256 of the shards' names and sizes, and of how they are cut into parts."""
        found = hashlib.sha256(f"{self.part_shards} shards\0".encode())
        for shard in self.shards:
            found.update(f"{shard.name}\0{shard.bytes}\0".encode())
        return found.hexdigest()

    def read(self, path: str) -> SourcePicture:
        """Raises `ImageError`: a shard is read from its beginning."""
        return self.files.read(path)

    def _pictures(self, shard: Shard) -> Iterator[SourcePicture]:
        where = str(self.root / shard.name)
        try:
            with self._open(shard) as file:
                _require_size(file, where, shard.bytes)
                if self.format == "tar":
                    yield from read_tar(file, where, self.left_out)
                else:
                    yield from read_parquet(file, where, shard.name)
            self.left_out.end_shard(where)
        except FileNotFoundError as error:
            raise CdulEdgeError(
                f"the shard {where} is gone since the shards were listed: put it back, or run with "
                "--update to label what is there"
            ) from error
        except OSError as error:
            raise CdulEdgeError(
                f"the shard {where} cannot be read ({error.strerror or error}): copy it again, "
                "then run the same command again: finished parts are kept"
            ) from error

    def _open(self, shard: Shard) -> IO[bytes]:
        if isinstance(self.root, Path):
            return (self.root / shard.name).open("rb")
        opened: IO[bytes] = open_storage(self.root).open(shard.name)
        return opened


def say_doubled(path: str, first: str, second: str) -> str:
    """That a picture's name is in two places, and what to do."""
    if first == second:
        return (
            f"the shard {first} holds two pictures called {path!r}: each name must be unique, so "
            "give one another name"
        )
    return (
        f"the shards {first} and {second} both hold a picture called {path!r}: leave one of them "
        "out, or give its pictures other names"
    )


def _require_size(file: IO[bytes], where: str, listed: int) -> None:
    found = file.seek(0, 2)
    file.seek(0)
    if found != listed:
        raise CdulEdgeError(
            f"the shard {where} has {found} bytes, and had {listed} when the shards were listed: "
            "run the same command again once nobody writes to it"
        )
