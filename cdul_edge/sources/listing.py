"""Names, sizes and times of the files of a folder, here or in an object store, from one listing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cdul_edge.sources.source import Look
from cdul_edge.storage.faults import name_faults
from cdul_edge.storage.file_systems import open_file_system
from cdul_edge.storage.location import Location, Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.walk import is_litter

_ASKED_FOR = 100  # a folder may hold far more than the files that are named


def list_folder(folder: Location) -> Mapping[str, Look]:
    """Every file at any depth by its name, sorted; hidden ones and litter are left out.

    Raises:
        CdulEdgeError: it cannot be listed.
    """
    found = _list_url(folder) if isinstance(folder, Url) else _list_path(folder)
    return dict(sorted(one for one in found if not any(map(is_litter, one[0].split("/")))))


def look_at(root: Location, names: Sequence[str]) -> Mapping[str, Look]:
    """Those of some files that are there; of very many in an object store, from a listing."""
    if isinstance(root, Url):
        there = dict(_list_url(root) if len(names) > _ASKED_FOR else _ask_url(root, names))
        return {name: there[name] for name in names if name in there}
    found = ((name, root / name) for name in names)
    return {name: _facts(file) for name, file in found if file.is_file()}


def _ask_url(folder: Url, names: Sequence[str]) -> Iterator[tuple[str, Look]]:
    system, root = open_file_system(folder)
    with name_faults(folder, "read"):
        found = system.get_file_info([f"{root}/{name}" for name in names])
    if not any(one.is_file for one in found):
        open_storage(folder).sizes_of(names)  # says where there is no such bucket
    for name, one in zip(names, found, strict=True):
        if one.is_file:
            yield name, Look(one.size, one.mtime_ns or 0)


def _list_path(folder: Path) -> Iterator[tuple[str, Look]]:
    for directory, subfolders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        subfolders[:] = [name for name in subfolders if not is_litter(name)]
        for name in files:
            file = Path(directory, name)
            if file.is_file():
                yield file.relative_to(folder).as_posix(), _facts(file)


def _facts(file: Path) -> Look:
    found = file.stat()
    return Look(found.st_size, found.st_mtime_ns)


def _list_url(folder: Url) -> Iterator[tuple[str, Look]]:
    from pyarrow import fs

    system, root = open_file_system(folder)
    with name_faults(folder, "listed"):
        found = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    if not found:
        open_storage(folder).sizes()  # says where there is no such bucket
    for one in found:
        if one.is_file:
            yield one.path[len(root) :].lstrip("/"), Look(one.size, one.mtime_ns or 0)


def _refuse(error: OSError) -> None:
    raise CdulEdgeError(
        f"{error.filename} cannot be listed ({error.strerror}): allow it, or move it elsewhere"
    ) from error
