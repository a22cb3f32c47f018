"""From where something lies to what reads and writes it."""

from __future__ import annotations

from pathlib import Path

from cdul_edge.storage.local_folder import LocalFolder
from cdul_edge.storage.location import Location
from cdul_edge.storage.object_store import ObjectStore
from cdul_edge.storage.storage import Storage


def open_storage(where: Location) -> Storage:
    """A folder of this machine or of an object store; nothing is asked of it yet."""
    return LocalFolder(where) if isinstance(where, Path) else ObjectStore(where)


def open_parent(where: Location) -> tuple[Storage, str]:
    """The folder that a file lies in, and the file's name in it."""
    return open_storage(where.parent), where.name
