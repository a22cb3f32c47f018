"""One process at a time works on a folder: two would write over each other's results."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning, extra_imports

LOCK = ".lock"
# What file systems without locks answer: some FUSE and SMB mounts, NFS without its lock daemon.
NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.ENOSYS)


@contextmanager
def lock_folder(folder: Path, doing: str) -> Iterator[None]:
    """Hold `folder`, which is made if it is not there, while the block runs.

    The system frees the lock when the process ends, however it ends. The lock's file goes with the
    block, and so do the folders made for it if nothing else is in them: a request that is refused
    leaves nothing behind. On a file system without locks a `CdulEdgeWarning` says so.

    Args:
        folder: what to hold.
        doing: what this program does there: "labeling into", "training in", "calibrating".

    Raises:
        CdulEdgeError: another process holds the folder, or a file is in its place.
    """
    with extra_imports("train", f"{doing} a folder"):
        from filelock import FileLock, Timeout
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise CdulEdgeError(
            f"{folder} cannot be a folder, a file is in its place: choose another --out"
        ) from error
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise CdulEdgeError(
            f"another process is {doing} {folder}: wait until it ends, or give another folder"
        ) from error
    except (OSError, NotImplementedError) as error:  # the latter is filelock's word for ENOSYS
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        warnings.warn(
            f"{folder} lies on a file system without locks: let no other process write into it",
            CdulEdgeWarning,
            stacklevel=3,
        )
    try:
        yield
    finally:
        with suppress(
            OSError
        ):  # before the release: afterwards it may be another's. Not on Windows
            (folder / LOCK).unlink()
        lock.release()
        for place in made:
            with suppress(OSError):  # results are in it
                place.rmdir()
