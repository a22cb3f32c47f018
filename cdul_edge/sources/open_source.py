"""From what --images names to a source of pictures."""

from __future__ import annotations

import os
from pathlib import Path

from cdul_edge.sources.files import LocalFiles
from cdul_edge.sources.find_shards import (
    format_of,
    has_braces,
    list_shards,
    make_shards,
    name_shards,
)
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.sources.paths import HeldPaths
from cdul_edge.sources.shards import ShardPictures
from cdul_edge.sources.source import PictureSource
from cdul_edge.storage.location import Location, Url
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList, find_images
from cdul_edge_runtime.pictures.walk import SUFFIXES, is_litter, suffix_of


def open_source(images: Location, part_pictures: int, part_shards: int = 1) -> PictureSource:
    """List the pictures of a folder or a list, or the shards of a folder, a file or a pattern.

    Args:
        images: a folder of pictures; a text file of paths; a CSV with `image_path`; a folder of
            tar shards; one shard; or a pattern such as shard-{00000..00099}.tar. Here, or a URL.
        part_pictures: pictures per part, of a folder or a list.
        part_shards: shards per part.

    Raises:
        CdulEdgeError: nothing there, no pictures, or a damaged list.
    """
    shards = _find_shards(images)
    if shards is not None:
        return make_shards(shards.root, shards.shards, part_shards)
    if isinstance(images, Url):
        raise CdulEdgeError(f"{images} is no shard: give tar shards there")
    return list_files(find_images(images), part_pictures)


def list_files(pictures: PictureList, part_pictures: int) -> ListedPictures:
    """A source of files of this machine."""
    names = HeldPaths.gather(pictures.paths)
    return ListedPictures(pictures.root, LocalFiles(pictures.root), names, part_pictures)


def _find_shards(images: Location) -> ShardPictures | None:
    if isinstance(images, Path) and images.is_dir():
        if not _holds_shards(images):
            return None
        root = images.resolve()
        return make_shards(root, list_shards(root))
    if isinstance(images, Path) and images.exists():
        return name_shards(images.resolve()) if format_of(images.name) else None
    if isinstance(images, Url) or has_braces(images):
        return name_shards(images if isinstance(images, Url) else images.absolute())
    return None


def _holds_shards(folder: Path) -> bool:
    """Whether a folder has shards and no pictures; the first picture ends the search."""
    shards = False
    for _, subfolders, files in os.walk(folder, followlinks=True):
        subfolders[:] = [name for name in subfolders if not is_litter(name)]
        for name in files:
            if is_litter(name):
                continue
            if (suffix := suffix_of(name)) in SUFFIXES or not suffix:
                return False
            shards = shards or format_of(name) is not None
    return shards
