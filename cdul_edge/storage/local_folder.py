"""A folder of this machine, or of one whose disk is mounted here."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cdul_edge_runtime.host.files import atomic_write, sha256_file
from cdul_edge_runtime.host.reading import refuse_special

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LocalFolder:
    """As `Storage`; what the system refuses is its own `OSError`, with the file's name.

    Attributes:
        where: the folder, which need not be there.
    """

    where: Path

    def sizes(self, below: str = "") -> Mapping[str, int]:
        """Bytes of every file, at any depth, by name; temporary files are left out."""
        return dict(sorted(_files(self.where / below, f"{below}/" if below else "")))

    def sizes_of(self, names: Collection[str]) -> Mapping[str, int]:
        """Bytes of those of some files that are there, by name."""
        files = ((name, self.where / name) for name in names)
        return {name: file.stat().st_size for name, file in files if file.is_file()}

    def names(self) -> Collection[str]:
        """What lies directly in it, files and folders, temporary ones too."""
        return os.listdir(self.where) if self.where.is_dir() else ()

    def open(self, name: str) -> pa.NativeFile:
        """A file to read from, which can seek."""
        import pyarrow as pa

        refuse_special(self.where / name)
        # PyArrow's own way takes no name that is not UTF-8
        return pa.PythonFile((self.where / name).open("rb"), mode="r")

    def read(self, name: str) -> bytes:
        """The whole content of a file."""
        refuse_special(self.where / name)
        return (self.where / name).read_bytes()

    def write(self, name: str) -> AbstractContextManager[Path]:
        """Give a temporary path beside the file, which takes its name on success."""
        return atomic_write(self.where / name)

    @contextmanager
    def write_stream(self, name: str) -> Iterator[IO[bytes]]:
        """As `write`, for content that is made piece by piece."""
        with self.write(name) as temporary, temporary.open("wb") as file:
            yield file

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        # nor is there a file where a folder is, or of a folder that is none
        with suppress(NotADirectoryError, IsADirectoryError):
            (self.where / name).unlink(missing_ok=True)

    def move(self, name: str, to: str) -> None:
        """Give a file another name."""
        target = self.where / to
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.where / name).replace(target)

    def sha256(self, name: str) -> str:
        """Hexadecimal SHA-256 of a file."""
        return sha256_file(self.where / name)


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(folder / entry.name, f"{prefix}{entry.name}/")
            elif entry.is_file() and not is_temporary(entry.name):
                yield f"{prefix}{entry.name}", entry.stat().st_size


def is_temporary(name: str) -> bool:
    """Whether a file, by its name without folders, is one that is being written."""
    return name.startswith(".") and name.endswith(".tmp")
