"""Finding and decoding pictures the same way everywhere."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cdul_edge_runtime.errors import CdulEdgeError, ImageError

# Where Pillow stops warning and refuses; no camera reaches it, a decompression bomb does.
MAX_PIXELS = 178_956_970

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .ppm .pgm .pbm .pnm .tga .jp2 "
    ".avif .heic .heif".split()
)


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

    Raises:
        ImageError: the file is missing, unreadable, empty, cut, no picture, or beyond MAX_PIXELS.
    """
    path = name or (str(source) if isinstance(source, Path) else "<bytes>")
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise ImageError(path, f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a zero byte in the name
        raise ImageError(path, f"cannot be read ({error})") from error
    if not content:
        raise ImageError(path, "is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bombs are refused below; EXIF noise is no fault
            with Image.open(io.BytesIO(content)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ImageError(
                        path, f"has {image.width}x{image.height} pixels, more than {MAX_PIXELS}"
                    )
                return upright_rgb(image, path)
    except Image.DecompressionBombError as error:
        raise ImageError(path, f"has more than {MAX_PIXELS} pixels") from error
    except UnidentifiedImageError as error:
        raise ImageError(path, "is not a picture that Pillow can identify") from error
    # Pillow's decoders raise all of these for damaged files (a cut JPEG: OSError, a bad PNG chunk:
    # SyntaxError, a bad TIFF: struct.error is a ValueError's cousin, ...).
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError) as error:
        raise ImageError(path, f"is damaged ({error})") from error
    except (OverflowError, MemoryError, RuntimeError, AttributeError) as error:
        raise ImageError(path, f"cannot be decoded ({error})") from error


def upright_rgb(image: Image.Image, name: str = "<image>") -> Image.Image:
    """Turn a PIL image upright and RGB, as `open_image` does with what it decodes.

    Raises:
        ImageError: floating-point pixels, whose range nothing tells.
    """
    image.load()
    if image.mode == "F":
        raise ImageError(name, "has floating-point pixels of unknown range: save 8 or 16 bits")
    return _to_rgb(ImageOps.exif_transpose(image))


def find_images(source: Path) -> PictureList:
    """List pictures of a folder (recursive), a text file of paths, or a CSV with `image_path`.

    A folder lists files with a picture's ending, and files without any ending, sorted; a folder
    reached twice through symbolic links is walked once. Relative paths in a list are relative to
    the list's own folder.

    Raises:
        CdulEdgeError: nothing there, no pictures, a duplicate path, or a name that is not UTF-8.
    """
    if source.is_dir():
        pictures = PictureList(source.resolve(), tuple(_walk(source)))
    elif source.is_file():
        pictures = PictureList(source.resolve().parent, tuple(_read_list(source)))
    else:
        raise CdulEdgeError(f"{source} does not exist: give a folder, a text file or a CSV")
    if not pictures.paths:
        raise CdulEdgeError(
            f"no pictures in {source}: expected files such as .jpg or .png, at any depth"
        )
    twice = [path for path, count in Counter(pictures.paths).items() if count > 1]
    if twice:
        raise CdulEdgeError(f"{source} names {twice[0]!r} twice: name each picture once")
    return pictures


def _walk(folder: Path) -> list[str]:
    visited: set[tuple[int, int]] = set()
    found: list[str] = []
    for directory, subfolders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        status = Path(directory).stat()
        if (status.st_dev, status.st_ino) in visited:
            subfolders.clear()  # a symbolic link leads back here: the loop ends
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders.sort()
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES | {""}:
                path = Path(directory, name).relative_to(folder).as_posix()
                found.append(require_utf8(path))
    return sorted(found)


def _refuse(error: OSError) -> None:
    """Without it, os.walk leaves out what it cannot enter without a word."""
    raise CdulEdgeError(
        f"{error.filename} cannot be listed ({error.strerror}): allow it, or move it elsewhere"
    ) from error


def _read_list(source: Path) -> list[str]:
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CdulEdgeError(f"{source} is not UTF-8 ({error.reason}): save it as UTF-8") from error
    if source.suffix.lower() != ".csv":
        # only a newline ends a name: splitlines() would also split at U+2028 and its like
        return [line.strip() for line in text.split("\n") if line.strip()]
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if "image_path" not in (reader.fieldnames or ()):
        raise CdulEdgeError(f"{source} has no column image_path: it has {reader.fieldnames}")
    return [row["image_path"] for row in reader if row["image_path"]]


def require_utf8(path: str) -> str:
    """Give `path` back, or raise `CdulEdgeError` for a name that JSON and Parquet cannot hold."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CdulEdgeError(f"the file name {path!r} is not UTF-8: rename it") from error
    return path


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16-bit grays: Pillow's own conversion clips them at 255
        return Image.fromarray(_scale_16_bits(image)).convert("RGB")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layered = image.convert("RGBA")
        canvas = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(canvas, layered).convert("RGB")
    return image.convert("RGB")


def _scale_16_bits(image: Image.Image) -> npt.NDArray[np.uint8]:
    values = np.asarray(image, dtype=np.float64)
    return np.clip(np.rint(values * (255.0 / 65535.0)), 0, 255).astype(np.uint8)
