"""From what is named as images to a source of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cdul_edge.sources.files import LocalFiles, RemoteFiles
from cdul_edge.sources.find_shards import (
    choose_shards,
    format_of,
    has_braces,
    make_shards,
    name_shards,
)
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.sources.listing import list_folder
from cdul_edge.sources.paths import HeldPaths
from cdul_edge.sources.remote_pictures import choose_pictures, is_list, read_remote_list
from cdul_edge.sources.source import PictureFiles, PictureSource
from cdul_edge.storage.location import Location, Url
from cdul_edge_runtime.pictures.images import walk_images
from cdul_edge_runtime.pictures.walk import SUFFIXES, is_litter, suffix_of


def open_source(images: Location, part_pictures: int, part_shards: int = 1) -> PictureSource:
    """List the pictures of a folder or a list, or the shards of a folder, a file or a pattern.

    Args:
        images: a folder of pictures; a text file of paths; a CSV with `image_path`; a folder of
            tar or Parquet shards; one shard; or a pattern such as shard-{00000..00099}.tar. Here,
            or a URL.
        part_pictures: pictures per part, of a folder or a list.
        part_shards: shards per part.

    Raises:
        CdulEdgeError: nothing there, no pictures, or a damaged list.
    """
    if isinstance(images, Url):
        return _open_remote(images, part_pictures, part_shards)
    if images.is_dir() and holds_shards(images):
        root = images.resolve()
        return make_shards(root, choose_shards(list_folder(root)), part_shards)
    if images.is_file() and format_of(images.name):
        return name_shards(images.resolve(), part_shards)
    if has_braces(images) and format_of(images.name) and not images.exists():
        return name_shards(images.absolute(), part_shards)
    root, paths = walk_images(images)
    return list_files(root, paths, part_pictures)


def list_files(root: Path, paths: Iterable[str], part_pictures: int) -> ListedPictures:
    """A source of files of this machine, or of addresses that a list of this machine has."""
    names = HeldPaths.gather(paths)
    files: PictureFiles = RemoteFiles(root) if names.hold("://") else LocalFiles(root)
    return ListedPictures(root, files, names, part_pictures)


def _open_remote(images: Url, part_pictures: int, part_shards: int) -> PictureSource:
    if format_of(images.name):
        return name_shards(images, part_shards)
    if is_list(images):
        root, paths = images.parent, read_remote_list(images)
        return ListedPictures(root, RemoteFiles(root), HeldPaths.gather(paths), part_pictures)
    found = list_folder(images)
    pictures, shards = choose_pictures(images, found), choose_shards(found)
    if shards and not pictures:
        return make_shards(images, shards, part_shards)
    return ListedPictures(images, RemoteFiles(images), HeldPaths.gather(pictures), part_pictures)


def holds_shards(folder: Path) -> bool:
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
