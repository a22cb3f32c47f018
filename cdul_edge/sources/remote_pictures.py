"""Which pictures a folder or a list of an object store has."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from cdul_edge.sources.find_shards import format_of
from cdul_edge.sources.source import Look
from cdul_edge.storage.location import Url
from cdul_edge.storage.open_storage import open_parent
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.pictures.list_files import read_list
from cdul_edge_runtime.pictures.walk import SUFFIXES, suffix_of


def is_list(images: Url) -> bool:
    """Whether an address is that of a list of pictures, by its ending."""
    return images.name.lower().endswith((".txt", ".csv"))


def choose_pictures(folder: Url, found: Mapping[str, Look]) -> Sequence[str]:
    """The pictures among the files of a folder, by their endings, as in a folder of a disk.

    Raises:
        CdulEdgeError: there are neither pictures nor shards.
    """
    pictures = [name for name in found if _is_picture(name)]
    if not pictures and not any(map(format_of, found)):
        others = f"; it has {len(found)} other files" if found else ""
        raise CdulEdgeError(
            f"no pictures in {folder}: expected files such as .jpg or .png, or shards, at any "
            f"depth{others}"
        )
    if pictures and len(pictures) < len(found):
        warnings.warn(
            f"{folder}: left out {len(found) - len(pictures)} that do not end as pictures do",
            CdulEdgeWarning,
            stacklevel=2,
        )
    return pictures


def read_remote_list(images: Url) -> Sequence[str]:
    """What a list names; relative paths are relative to its own folder, as those of a file.

    Raises:
        CdulEdgeError: it is not there, damaged, or empty.
    """
    storage, name = open_parent(images)
    with tempfile.TemporaryDirectory(prefix="cdul-edge-") as folder:
        copy = Path(folder).resolve() / name
        try:
            copy.write_bytes(storage.read(name))
            paths = read_list(copy)
        except FileNotFoundError as error:
            raise CdulEdgeError(
                f"{images} does not exist: give a folder, a text file or a CSV"
            ) from error
        except CdulEdgeError as error:
            raise CdulEdgeError(str(error).replace(str(copy), str(images))) from error
    if not paths:
        raise CdulEdgeError(f"no pictures in {images}: expected one path per line")
    return paths


def _is_picture(name: str) -> bool:
    suffix = suffix_of(name.rpartition("/")[2])
    return not suffix or suffix in SUFFIXES
