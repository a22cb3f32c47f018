"""Exported towers, kept for the next run: an export takes seconds to a minute."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cdul_edge.labelling.encode.exported.tower import ImageTower
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.files import atomic_write, sha256_file
from cdul_edge_runtime.host.user_cache import user_cache_folder

_FOLDER = "encoders"
_KEY_LETTERS = 32


class TowerCache:
    """One tower's place in the user's cache.

    A file's name holds what it was made of and its own SHA-256: what is damaged is known, and two
    processes that export at once write the same file, or two that are both whole.
    """

    def __init__(self, tower: ImageTower) -> None:
        self._tower = tower
        self.folder = user_cache_folder() / _FOLDER
        self._key = tower.digest()[:_KEY_LETTERS]

    @property
    def holds(self) -> bool:
        """Whether the tower was exported before, as far as names tell."""
        return bool(self._files())

    @contextmanager
    def open(self, library: str, console: Console) -> Iterator[Path]:
        """The tower's ONNX file, exported if it is not there; valid within the block.

        Args:
            library: what it is for, for people.
            console: told of an export, its size and its place.

        Raises:
            CdulEdgeError: torch cannot export the tower.
        """
        found = self._find_whole(console)
        if found is not None:
            yield found
            return
        console.say(f"exporting CLIP's image tower for {library}, once")
        content = self._tower.export()
        try:
            file = self._write(self.folder, content)
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "") and error.strerror
            console.warn(
                f"{self.folder} cannot be written ({reason or error}), so the next run exports the "
                "tower again: set XDG_CACHE_HOME to a folder that can be"
            )
            with tempfile.TemporaryDirectory(prefix="cdul-edge-") as temporary:
                yield self._write(Path(temporary), content)
            return
        console.say(f"kept in {self.folder}, {_show_size(len(content))}; it may be deleted")
        del content
        yield file

    def _write(self, folder: Path, content: bytes) -> Path:
        file = folder / f"{self._key}-{hashlib.sha256(content).hexdigest()}.onnx"
        with atomic_write(file) as temporary:
            temporary.write_bytes(content)
        return file

    def _find_whole(self, console: Console) -> Path | None:
        """A file with the content that its name says; others go."""
        for file in self._files():
            try:
                whole = file.stem.endswith(sha256_file(file))
            except OSError:  # another's, or gone since
                continue
            if whole:
                return file
            console.warn(f"{file} is damaged, and is made again")
            with suppress(OSError):
                file.unlink()
        return None

    def _files(self) -> list[Path]:
        try:
            return sorted(self.folder.glob(f"{self._key}-*.onnx"))
        except OSError:
            return []


def _show_size(size_bytes: int) -> str:
    return f"{max(1, round(size_bytes / (1 << 20)))} MiB"
