"""A folder of an object store: no rename, no lock, and a network between."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cdul_edge.storage.faults import missing_bucket, name_faults
from cdul_edge.storage.file_systems import GCS, S3, open_file_system
from cdul_edge.storage.local_folder import is_temporary
from cdul_edge.storage.location import Url
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import name_full_place

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import fs

_BLOCK = 4 << 20


class ObjectStore:
    """As `Storage`. It opens its connection when it is first used, and again after a pickle.

    Raises:
        CdulEdgeError: every method but for a name that is not there: with place, cause and fix.
    """

    def __init__(self, where: Url) -> None:
        self.where = where

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[Url]]:
        return type(self), (self.where,)

    @cached_property
    def _opened(self) -> tuple[fs.FileSystem, str]:
        return open_file_system(self.where)

    def sizes(self, below: str = "") -> Mapping[str, int]:
        """Bytes of every object below a name, by name; temporary ones are left out."""
        from pyarrow import fs

        root = self._opened[1]
        folder = f"{root}/{below}" if below else root
        selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
        found = self._list(selector)
        named = ((one.path[len(root) + 1 :], one.size) for one in found if one.is_file)
        return dict(sorted(one for one in named if not is_temporary(one[0].rpartition("/")[2])))

    def sizes_of(self, names: Collection[str]) -> Mapping[str, int]:
        """Bytes of those of some objects that are there, by name, each asked for."""
        system, root = self._opened
        with name_faults(self.where, "read"):
            found = system.get_file_info([f"{root}/{name}" for name in names])
        there = {name: one.size for name, one in zip(names, found, strict=True) if one.is_file}
        if not there:
            self._require_bucket("read")
        return there

    def names(self) -> Collection[str]:
        """What lies directly in it: objects, and beginnings of names up to a slash."""
        from pyarrow import fs

        found = self._list(fs.FileSelector(self._opened[1], allow_not_found=True))
        return [one.base_name for one in found]

    def open(self, name: str) -> pa.NativeFile:
        """An object to read from, which can seek; its errors are this store's, too."""
        import pyarrow as pa

        return pa.PythonFile(io.BufferedReader(self._open(name), 1 << 16), mode="r")

    @property
    def tells_times(self) -> bool:
        """Whether an object's time comes with its bytes, without another request."""
        return self.where.scheme in S3

    def read_dated(self, name: str, most: int) -> tuple[bytes | None, int]:
        """The content of an object, None where it has more than `most` bytes, and its time.

        That is in whole seconds, as nanoseconds; 0 where it does not come along.
        """
        with self._open(name) as file:
            content = file.readall() if file.size <= most else None
            return content, file.mtime_ns if self.tells_times else 0

    def read(self, name: str) -> bytes:
        """The whole content of an object."""
        with self._open(name) as file:
            return file.readall()

    @contextmanager
    def write(self, name: str) -> Iterator[Path]:
        """Give a temporary local path, whose content is put under the name on success."""
        with tempfile.TemporaryDirectory(prefix="cdul-edge-") as folder:
            temporary = Path(folder, "content")
            temporary.touch()
            try:
                yield temporary
            except OSError as error:
                name_full_place(error, temporary)  # this machine's disk, not the store
                raise
            self._put(temporary, name)

    @contextmanager
    def write_stream(self, name: str) -> Iterator[IO[bytes]]:
        """As `write`, for content that is made piece by piece."""
        with self.write(name) as temporary, temporary.open("wb") as file:
            yield file

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        system, root = self._opened
        with name_faults(self.where, "written"), suppress(FileNotFoundError):
            system.delete_file(f"{root}/{name}")

    def move(self, name: str, to: str) -> None:
        """Copy an object inside the store, then remove the first."""
        system, root = self._opened
        with self._missing(name), name_faults(self.where, "written"):
            system.copy_file(f"{root}/{name}", f"{root}/{to}")
            system.delete_file(f"{root}/{name}")

    def sha256(self, name: str) -> str:
        """Hexadecimal SHA-256 of an object, which is fetched for it."""
        found = hashlib.sha256()
        with self._open(name) as file:
            while block := file.read(_BLOCK):
                found.update(block)
        return found.hexdigest()

    def _list(self, selector: fs.FileSelector) -> Sequence[fs.FileInfo]:
        found: Sequence[fs.FileInfo] = ()
        with name_faults(self.where, "listed"), suppress(FileNotFoundError):  # as hf:// says it
            found = self._opened[0].get_file_info(selector)
        if not found:
            self._require_bucket("listed")
        return found

    def _put(self, file: Path, name: str) -> None:
        """One put of content that is complete: a stream might end truncated, and look whole."""
        import pyarrow as pa
        from pyarrow import fs

        system, root = self._opened
        with self._required(), name_faults(self.where, "written"):
            if isinstance(system, fs.PyFileSystem):
                system.handler.fs.put_file(str(file), f"{root}/{name}")
                return
            if file.stat().st_size == 0:
                content = pa.py_buffer(b"")
            else:
                content = pa.memory_map(str(file)).read_buffer()
            with system.open_output_stream(f"{root}/{name}") as stream:
                stream.write(content)

    def _open(self, name: str) -> _ObjectFile:
        system, root = self._opened
        with self._missing(name), name_faults(self.where, "read"):
            return _ObjectFile(system.open_input_file(f"{root}/{name}"), self.where / name)

    @contextmanager
    def _missing(self, name: str) -> Iterator[None]:
        """Tell an object that is not there from a bucket that is gone."""
        try:
            yield
        except FileNotFoundError as error:
            self._require_bucket("read")
            raise FileNotFoundError(2, "No such file", str(self.where / name)) from error

    @contextmanager
    def _required(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise CdulEdgeError(
                f"{self.where} cannot be written: there is no such place ({error}): check the "
                "address, or make it first"
            ) from error

    def _require_bucket(self, done: str) -> None:
        from pyarrow import fs

        system, root = self._opened
        bucket = root.partition("/")[0]
        if self.where.scheme not in (*S3, *GCS):
            return
        with name_faults(self.where, done):
            if system.get_file_info(bucket).type == fs.FileType.NotFound:
                raise CdulEdgeError(f"{self.where} cannot be {done}: {missing_bucket(self.where)}")


class _ObjectFile(io.RawIOBase):
    """An object whose reads fail as the store's: a lost network is no damaged Parquet."""

    def __init__(self, file: pa.NativeFile, url: Url) -> None:
        self._file, self._url = file, url

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return int(self._file.size())

    @property
    def mtime_ns(self) -> int:
        """When it was written; 0 where the store does not say."""
        said = self._file.metadata().get("Last-Modified", b"").decode()
        try:
            written = datetime.fromisoformat(said.replace("Z", "+00:00"))
        except ValueError:
            return 0
        return int(written.timestamp()) * 10**9

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = self._read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def readall(self) -> bytes:
        return self._read(None)

    def _read(self, size: int | None) -> bytes:
        try:
            with name_faults(self._url, "read"):
                return bytes(self._file.read(size))
        except FileNotFoundError as error:  # stores say so of a bucket that is gone, too
            raise CdulEdgeError(
                f"{self._url} cannot be read: it was removed after it was opened: "
                "check that nothing else works in that place, then run the same command again"
            ) from error

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
