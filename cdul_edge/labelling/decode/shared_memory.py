"""Memory that the encoder and the decoding processes share: a file without a name."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from cdul_edge.labelling.arrays import Pixels
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

_IN_MEMORY = Path("/dev/shm")
# What file systems answer that cannot reserve room.
_CANNOT_RESERVE = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True)
class SharedSlots:
    """Slots of equal shape; a change is seen by all processes that have the file.

    Attributes:
        file: open, and without a name: it goes when the last process does.
        array: (slots, …) uint8.
    """

    file: IO[bytes]
    array: Pixels

    @classmethod
    def allocate(cls, shape: tuple[int, ...], console: Console) -> SharedSlots:
        """Make the file, in memory where that can be written and has room, else on the disk.

        Raises:
            OSError: there is no room on the disk either.
            CdulEdgeError: this process may not have so much address space.
        """
        size = int(np.prod(shape))
        file = _open_file(size, console)
        try:
            _reserve(file, size)
            return cls.attach(file, shape)
        except BaseException:
            file.close()
            raise

    @classmethod
    def attach(cls, file: IO[bytes], shape: tuple[int, ...]) -> SharedSlots:
        """See a file as slots; another process may have made it."""
        try:
            memory = mmap.mmap(file.fileno(), 0)
        except (OSError, ValueError, MemoryError) as error:
            raise CdulEdgeError(
                f"{int(np.prod(shape)) >> 20} MiB for decoded pictures cannot be mapped ({error}): "
                "raise the limit of the address space (ulimit -v), or give fewer --workers or "
                "--batch-pictures"
            ) from error
        return cls(file, np.frombuffer(memory, dtype=np.uint8).reshape(shape))

    def close(self) -> None:
        """Give the file up; `array` stays valid as long as it is held."""
        self.file.close()


def _reserve(file: IO[bytes], size: int) -> None:
    """Have the room now: a full disk is an error here, and would be a crash at the first write."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except AttributeError:  # macOS
        file.truncate(size)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise
        file.truncate(size)


def _open_file(size: int, console: Console) -> IO[bytes]:
    try:
        if _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > 2 * size:
            return tempfile.TemporaryFile(dir=_IN_MEMORY)
        reason = f"{_IN_MEMORY} has no {2 * size >> 20} MiB left"
    except OSError as error:
        reason = f"{_IN_MEMORY} cannot be written ({error.strerror})"
    if _IN_MEMORY.is_dir():  # other systems have none: nothing to say
        console.say(f"{reason}: decoded pictures go through {tempfile.gettempdir()}")
    return tempfile.TemporaryFile()
