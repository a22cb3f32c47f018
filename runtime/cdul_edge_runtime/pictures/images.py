"""Finding and decoding pictures the same way everywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning, ImageError
from cdul_edge_runtime.host.reading import UnreadableError, read_bytes
from cdul_edge_runtime.pictures.decoding import decode, pillow_faults, quiet_pillow
from cdul_edge_runtime.pictures.metadata import find_turn
from cdul_edge_runtime.pictures.rgb import to_rgb

# Larger than MAX_PIXELS uncompressed 16-bit gray or 8-bit RGB with alpha.
MAX_PICTURE_BYTES = 1 << 30


@dataclass(frozen=True)
class PictureList:
    """Pictures by POSIX path relative to `root` (or absolute), in a fixed order, unique."""

    root: Path
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def absolute(self, index: int) -> Path:
        """Where picture `index` lies on this machine."""
        return self.root / self.paths[index]


def open_image(source: Path | bytes, name: str | None = None) -> Image.Image:
    """Decode one picture to upright RGB.

    EXIF orientation is applied; alpha is laid over white; 16-bit grays are scaled to 8 bits; of
    an animation the first frame counts. The content decides the format, not the file's ending.
    Damaged metadata (EXIF, comments, color profiles) is left aside: only the pixels count.

    Args:
        source: a file, or its content.
        name: what errors call the picture; the path, unless given.

    Raises:
        ImageError: the file is missing, unreadable, empty, truncated, not a picture, larger than
            MAX_PICTURE_BYTES, or beyond MAX_PIXELS.
    """
    path = name or (str(source) if isinstance(source, Path) else "<bytes>")
    content = read_picture(source, path) if isinstance(source, Path) else source
    if not content:
        raise ImageError(path, "is empty (0 bytes)")
    with quiet_pillow():
        return _upright(decode(content, path), path)


def read_picture(path: Path, name: str | None = None) -> bytes:
    """The bytes of a picture file; pipes, devices and files beyond MAX_PICTURE_BYTES are refused.

    Raises:
        ImageError: it cannot be read; its path is `name`, where given.
    """
    try:
        return read_bytes(path, limit_bytes=MAX_PICTURE_BYTES)
    except UnreadableError as error:
        raise ImageError(name or str(path), error.reason) from error


def upright_rgb(image: Image.Image, name: str = "<image>") -> Image.Image:
    """Turn a PIL image upright and RGB, as `open_image` does with what it decodes.

    Raises:
        ImageError: no pixels, a closed image, a file behind it that cannot be decoded, or
            floating-point pixels, whose range nothing tells.
    """
    with quiet_pillow():
        with pillow_faults(name, "cannot be loaded; was it closed?"):
            image.load()
        return _upright(image, name)


def _upright(image: Image.Image, path: str) -> Image.Image:
    """A loaded picture, turned and converted."""
    if 0 in image.size:
        raise ImageError(path, f"has {image.width}x{image.height} pixels")
    if image.mode == "F":
        raise ImageError(path, "has floating-point pixels of unknown range: save 8 or 16 bits")
    turn = find_turn(image)
    with pillow_faults(path):
        return to_rgb(image if turn is None else image.transpose(turn))


def find_images(source: Path) -> PictureList:
    """List pictures of a folder (recursive), a text file of paths, or a CSV with `image_path`.

    A folder lists files with a picture's ending (`SUFFIXES`), and files without any ending,
    sorted; a folder reached twice through symbolic links is walked once. Hidden files and folders
    (`.thumbnails`) and other programs' litter (`@eaDir`, `__MACOSX`) are left out; how many files
    were left out is said with a `CdulEdgeWarning`. Relative paths in a list are relative to the
    list's own folder.

    Raises:
        CdulEdgeError: nothing there, no pictures, a damaged list, or a picture that is named twice.
    """
    root, paths = walk_images(source)
    return PictureList(root, tuple(paths))


def walk_images(source: Path) -> tuple[Path, Iterable[str]]:
    """The root and the paths of `find_images`, which come one after the other.

    Raises:
        CdulEdgeError: as `find_images`.
    """
    # here and not above: a camera's pictures are in no folder
    from cdul_edge_runtime.pictures.list_files import read_list
    from cdul_edge_runtime.pictures.walk import Walk

    if source.is_dir():
        walk = Walk(source)
        left_out = walk.left_out
        if not walk.count:
            raise CdulEdgeError(
                f"no pictures in {source}: expected files such as .jpg or .png, at any depth"
                + (f"; {left_out}" if left_out else "")
            )
        if left_out:
            warnings.warn(f"{source}: {left_out}", CdulEdgeWarning, stacklevel=3)
        return _root(source), walk
    if source.is_file():
        root, listed = _root(source.resolve().parent), read_list(source)
        if not listed:
            raise CdulEdgeError(f"no pictures in {source}: expected one path per line")
        return root, listed
    if source.exists():
        raise CdulEdgeError(f"{source} is neither a folder nor a file: give a folder or a list")
    raise CdulEdgeError(f"{source} does not exist: give a folder, a text file or a CSV")


def _root(folder: Path) -> Path:
    from cdul_edge_runtime.pictures.walk import require_utf8

    return Path(require_utf8(str(folder.resolve())))
