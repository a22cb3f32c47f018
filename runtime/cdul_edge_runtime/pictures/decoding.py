"""Calls of Pillow's decoders, whose every fault becomes an `ImageError`."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures.metadata import simpler_versions

# Where Pillow stops warning and refuses; no camera reaches it, a decompression bomb does.
MAX_PIXELS = 178_956_970
_POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")


def decode(content: bytes, path: str) -> Image.Image:
    """Load the pixels; where metadata is in the way, without it."""
    if content.startswith(_POSTSCRIPT):  # Pillow would start Ghostscript, on a stranger's program
        raise ImageError(path, "is a PostScript program, not a picture")
    try:
        return _load(content, path)
    except ImageError as error:
        fault = error
    for version in simpler_versions(content):
        try:
            return _load(version, path)
        except ImageError as error:
            fault = error  # without metadata in the way, it tells of the pixels
    raise fault


def _load(content: bytes, path: str) -> Image.Image:
    with pillow_faults(path):
        image: Image.Image = Image.open(io.BytesIO(content))
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(path, f"has {image.width}x{image.height} pixels, more than {MAX_PIXELS}")
    with pillow_faults(path):
        _narrow_transparent_color(image)
        image.load()
    return image


def _narrow_transparent_color(image: Image.Image) -> None:
    """Pillow decodes 16 bits per channel to the upper 8, and leaves PNG's tRNS at 16."""
    color = image.info.get("transparency")
    tiles = getattr(image, "tile", [])
    if isinstance(color, tuple) and tiles and tiles[0][3] == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in color)


@contextmanager
def pillow_faults(path: str, fault: str = "is damaged") -> Iterator[None]:
    """Only calls of Pillow belong inside: a bug of ours must not read as a damaged picture."""
    try:
        yield
    except ImageError:
        raise
    # Decoders of thirty formats, some in C, raise whatever damaged bytes lead them to: OSError,
    # SyntaxError, struct.error, OverflowError, ZeroDivisionError, AssertionError, MemoryError, ...
    except Exception as error:
        raise ImageError(path, _reason(error, fault)) from error


def _reason(error: Exception, fault: str) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "is not a picture that Pillow can identify"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {MAX_PIXELS} pixels"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    said = " ".join(str(error).split())[:150]
    return f"{fault} ({said or type(error).__name__})"


class _QuietPillow:
    """Mutes Pillow's warnings while any thread decodes.

    Bombs are refused by size, and damaged metadata is no fault. `warnings.catch_warnings` alone is
    not safe in threads: the one that leaves last would put another's filters back for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._before = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._threads == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.|cdul_edge_runtime\.pictures\.")
            self._threads += 1
        try:
            yield
        finally:
            with self._lock:
                self._threads -= 1
                if self._threads == 0:
                    self._before.__exit__(None, None, None)


quiet_pillow = _QuietPillow()
