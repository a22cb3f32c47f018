"""What labels, pictures and their readers ask of a folder, wherever it lies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from cdul_edge.storage.location import Location

if TYPE_CHECKING:
    import pyarrow as pa


class Storage(Protocol):
    """A folder; names are POSIX paths relative to it.

    A name that is not there raises `FileNotFoundError`. Whatever else fails on the way to an object
    store raises `CdulEdgeError` with the place, the cause and what to do; a folder of this machine
    raises the system's own `OSError`, which names the file.
    """

    @property
    def where(self) -> Location:
        """The folder itself."""
        ...

    def sizes(self, below: str = "") -> Mapping[str, int]:
        """Bytes of every file, at any depth, by name; temporary files are left out.

        Args:
            below: a folder inside; "" is all. One that does not exist has no files.
        """
        ...

    def sizes_of(self, names: Collection[str]) -> Mapping[str, int]:
        """Bytes of those of some files that are there, by name, each asked for."""
        ...

    def names(self) -> Collection[str]:
        """What lies directly in it, files and folders, temporary ones too."""
        ...

    def open(self, name: str) -> pa.NativeFile:
        """A file to read from, which can seek."""
        ...

    def read(self, name: str) -> bytes:
        """The whole content of a file."""
        ...

    def write(self, name: str) -> AbstractContextManager[Path]:
        """Give a temporary local path; on success its content becomes the file, all at once.

        Locally that is a rename; an object store gets one put. Temporary names are the process's
        own, and a reader sees the former file, or the whole new one.
        """
        ...

    def write_stream(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """As `write`, for content that is made piece by piece."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def move(self, name: str, to: str) -> None:
        """Give a file another name."""
        ...

    def sha256(self, name: str) -> str:
        """Hexadecimal SHA-256 of a file, which is read for it."""
        ...
