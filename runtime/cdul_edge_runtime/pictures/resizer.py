"""Antialiased resizing: by cykooz-resizer where it is installed and agrees with Pillow, or Pillow.

Both compute the same convolution, along one axis and then along the other, and round to 8 bits
after each. They differ in which comes first, which a bicubic filter can show as 30 levels of 255
and more, as it clips between the two. So cykooz-resizer is asked for each axis in a call of its
own, in the order of the Pillow that is here. What is left are values that are rounded the other
way, fewer than 1 % of a photograph's. Where a second pass with large weights would add to that,
Pillow makes the first one, so that the two are 1 level apart and no more (2 in one of a million
values on a saw that runs over at 256, and in none that we found on photographs and noise).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from PIL import Image

from cdul_edge_runtime.choices import Color, Interpolation
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.pictures.agreement import NEAR as NEAR
from cdul_edge_runtime.pictures.agreement import PILLOW as PILLOW
from cdul_edge_runtime.pictures.fast_resizer import ORDERS as ORDERS
from cdul_edge_runtime.pictures.fast_resizer import PILLOW_FILTERS as PILLOW_FILTERS
from cdul_edge_runtime.pictures.fast_resizer import Box as Box
from cdul_edge_runtime.pictures.fast_resizer import (
    FastResizer,
    Pixels,
    resize_with_pillow,
)
from cdul_edge_runtime.pictures.fast_resizer import Size as Size
from cdul_edge_runtime.pictures.rgb import from_array, mirror, pack, without_gaps

T = TypeVar("T")


def resize(image: Image.Image, size: Size, interpolation: Interpolation, box: Box) -> Image.Image:
    """Resize the part `box` of an RGB picture as Pillow's `Image.resize` does, within 1 level.

    As with Pillow, the filter sees what lies around the box; of a picture that `crop` cut out there
    is nothing around. Safe in threads and after a fork: nothing is shared between calls.

    Args:
        image: loaded, of mode RGB; of another mode, Pillow resizes it.
        size: width and height of the result, at least 1.
        box: inside the picture, larger than nothing.
    """
    chosen = _choose()
    if chosen is not None and image.mode == "RGB":
        fitted = _attempt(
            chosen, image.size, lambda: chosen.resize(image, size, interpolation, box)
        )
        if fitted is not None:
            return fitted
    return resize_with_pillow(image, size, interpolation, box)


def resize_array(
    pixels: Pixels, size: Size, interpolation: Interpolation, box: Box, color: Color
) -> Pixels:
    """`resize` of a (height, width, 3) uint8 array of any strides, to RGB, in less time.

    Args:
        color: the order of its channels; they are put right in the small picture.
    """
    pixels, color = without_gaps(pixels, color)
    chosen, fitted = _choose(), None
    if chosen is not None:
        old = pixels.shape[1], pixels.shape[0]
        fitted = _attempt(
            chosen, old, lambda: chosen.resize_array(pixels, size, interpolation, box)
        )
    if fitted is None:
        fitted = pack(resize(from_array(pixels), size, interpolation, box))
    return mirror(fitted) if color == "bgr" else fitted


def resizer_name() -> str:
    """What resizes pictures here, with its version, such as "cykooz-resizer 4.0.1"."""
    chosen = _choose()
    return pillow_name() if chosen is None else chosen.name


def pillow_name() -> str:
    """The reference that every other resizer is held to, with its version."""
    import PIL

    return f"{PILLOW} {PIL.__version__}"


@contextmanager
def pillow_alone() -> Iterator[None]:
    """Resize with Pillow while the block runs, in every thread: to compare the two."""
    before, _chosen["chosen"] = _choose(), None
    try:
        yield
    finally:
        _chosen["chosen"] = before


def extend_record(resizers: Sequence[str], say: Callable[[str], None]) -> tuple[str, ...]:
    """Which resizers worked on something, in order, now that this one goes on with it.

    Args:
        resizers: those before.
        say: told where this is another one than the last.
    """
    now = resizer_name()
    if not resizers or resizers[-1] != now:
        if resizers:
            say(
                f"{resizers[-1]} resized the pictures before, and {now} does from here on: what "
                f"they make is within {NEAR} level of 255"
            )
        return (*resizers, now)
    return tuple(resizers)


def said() -> dict[str, str]:
    """What this process had to say, for a parent to `say_once`."""
    return dict(_said)


def say_once(about: str, line: str) -> None:
    """Issue a `CdulEdgeWarning`, the first time that this process has one `about` this."""
    if _said.setdefault(about, line) is line:  # of several threads, one
        warnings.warn(line, CdulEdgeWarning, stacklevel=4)


_said: dict[str, str] = {}
_chosen: dict[str, FastResizer | None] = {}


def _choose() -> FastResizer | None:
    """The fast resizer where it can be trusted; None is Pillow. Looked for once per process."""
    if "chosen" not in _chosen:
        _chosen.setdefault("chosen", _find_fast())
    return _chosen["chosen"]


def _attempt(chosen: FastResizer, old: Size, call: Callable[[], T]) -> T | None:
    """None where it cannot resize this picture, which is said."""
    try:
        return call()
    except BaseException as error:
        if not _is_fault(error):
            raise
        say_once(
            "one picture",
            f"{chosen.name} cannot resize a picture of {old[0]}x{old[1]} px ({_reason(error)}): "
            "Pillow resizes it, and others like it",
        )
        return None


def _find_fast() -> FastResizer | None:
    try:
        apart = {}
        for order in ORDERS:
            fast = FastResizer(order)
            apart[order] = _largest_difference(fast)
            if apart[order] <= NEAR:
                return fast
        fault = f"it is {min(apart.values())} levels of 255 away from Pillow"
    except ModuleNotFoundError as error:
        if error.name == "cykooz_resizer":  # not asked for: nothing to say
            return None
        fault = _reason(error)
    except BaseException as error:
        if not _is_fault(error):
            raise
        fault = _reason(error)
    say_once(
        "every picture",
        f"cykooz-resizer is installed and not used ({fault}): Pillow resizes pictures, which takes "
        'longer; pip install --upgrade "cdul-edge[fast]" may help',
    )
    return None


def _largest_difference(fast: FastResizer) -> int:
    """To Pillow, in levels, on black and white dots: smaller, larger, cut, and of all orders."""
    tries: tuple[tuple[Size, Size, Interpolation, Box], ...] = (
        ((37, 23), (9, 8), "bilinear", (0, 0, 37, 23)),
        ((41, 37), (11, 9), "bicubic", (0, 0, 41, 37)),
        ((37, 23), (41, 30), "bicubic", (3.25, 1.5, 30.5, 20.75)),
        ((5, 40), (11, 9), "bicubic", (0, 0, 5, 40)),
        ((2, 240), (5, 31), "bicubic", (0, 0, 2, 240)),
    )
    return max(_difference(fast, *how) for how in tries)


def _difference(
    fast: FastResizer, size: Size, fitted: Size, interpolation: Interpolation, box: Box
) -> int:
    values = np.arange(size[0] * size[1] * 3, dtype=np.uint32)
    dots = (values * values * 2654435761 >> 31).astype(np.uint8) * np.uint8(255)
    pixels = dots.reshape(size[1], size[0], 3)
    image = Image.fromarray(pixels)
    wanted = np.asarray(resize_with_pillow(image, fitted, interpolation, box)).astype(np.int16)
    found = [np.asarray(fast.resize(image, fitted, interpolation, box, small_px=0))]
    of_array = fast.resize_array(pixels, fitted, interpolation, box, small_px=0)
    found += [] if of_array is None else [of_array]
    return max(int(np.abs(one - wanted).max()) for one in found)


def _is_fault(error: BaseException) -> bool:
    """A panic of Rust is no `Exception`, and no reason to end a program either."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _reason(error: BaseException) -> str:
    said = " ".join(str(error).split())[:150] or type(error).__name__
    # what Pillow before 11 calls an image's memory
    return f"it needs Pillow 11, and {pillow_name()} is here" if "PyCapsule" in said else said
