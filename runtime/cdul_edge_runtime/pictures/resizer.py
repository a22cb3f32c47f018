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

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.choices import Interpolation
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.pictures.agreement import NEAR as NEAR
from cdul_edge_runtime.pictures.agreement import PILLOW as PILLOW

Size = tuple[int, int]  # width and height
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels and parts of them
Span = tuple[float, float]  # start and end along one axis
Order = Callable[[Size, Size], bool]  # sizes before and after
Resize = Callable[[Image.Image, Size, Interpolation, Box], Image.Image]

PILLOW_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# How far a filter reaches, in pixels of the larger grid: triangle, and cubic with a = -0.5.
_REACH = {"bilinear": 1, "bicubic": 2}
# A second pass that shrinks by less has weights so large that an error of the first may show.
_EXACT_BELOW = 1.5
# And where a picture is small, Pillow's first pass takes no time.
_SMALL_PX = 1 << 16
# Which pictures Pillow resizes along columns first: from 13.0 on, from 12.2 on, and before.
ORDERS: tuple[Order, ...] = (
    lambda old, new: new[1] < old[1] and old[1] - new[1] > 2 * (old[0] - new[0]),
    lambda old, new: new[1] < old[1] and old[1] > 100 * old[0],
    lambda old, new: False,
)


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
        try:
            return chosen.resize(image, size, interpolation, box)
        except BaseException as error:
            if not _is_fault(error):
                raise
            say_once(
                "one picture",
                f"{chosen.name} cannot resize a picture of {image.width}x{image.height} px "
                f"({_reason(error)}): Pillow resizes it, and others like it",
            )
    return resize_with_pillow(image, size, interpolation, box)


def resizer_name() -> str:
    """What resizes pictures here, with its version, such as "cykooz-resizer 4.0.1"."""
    chosen = _choose()
    return pillow_name() if chosen is None else chosen.name


def pillow_name() -> str:
    """The reference that every other resizer is held to, with its version."""
    import PIL

    return f"{PILLOW} {PIL.__version__}"


def resize_with_pillow(
    image: Image.Image, size: Size, interpolation: Interpolation, box: Box
) -> Image.Image:
    """What `resize` is held to."""
    return image.resize(size, PILLOW_FILTERS[interpolation], box=box)


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


class FastResizer:
    """cykooz-resizer, with the passes in the order in which this Pillow takes them.

    Args:
        columns_first: which pictures this Pillow resizes along columns first.

    Raises:
        ModuleNotFoundError: it is not installed.
        AttributeError: it is of a version with other names.
    """

    def __init__(self, columns_first: Order) -> None:
        import cykooz_resizer

        convolution = cykooz_resizer.ResizeAlg.convolution
        filters = cykooz_resizer.FilterType
        self.columns_first = columns_first
        self._library = cykooz_resizer
        self._filters = {
            "bilinear": convolution(filters.bilinear),
            "bicubic": convolution(filters.catmull_rom),
        }

    @property
    def name(self) -> str:
        """With its version."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return f"cykooz-resizer {version('cykooz-resizer')}"
        except PackageNotFoundError:  # copied, not installed
            return "cykooz-resizer"

    def resize(
        self,
        image: Image.Image,
        size: Size,
        interpolation: Interpolation,
        box: Box,
        *,
        small_px: int = _SMALL_PX,
    ) -> Image.Image:
        """As `resize`, and raises what the library raises; `image` itself where nothing changes."""
        first, second = (1, 0) if self.columns_first(image.size, size) else (0, 1)
        spans = [(box[0], box[2]), (box[1], box[3])]
        if (image.size[first], spans[first]) != (size[first], (0, size[first])):
            start, end = spans[second]
            # of the other axis only what its own filter will read
            read = _in_reach(image.size[second], size[second], interpolation, spans[second])
            spans[second] = read
            length = read[1] - read[0]
            fitted = (size[0], length) if first == 0 else (length, size[1])
            small = image.width * image.height <= small_px
            if small or end - start < _EXACT_BELOW * size[second]:
                whole = (spans[0][0], spans[1][0], spans[0][1], spans[1][1])
                image = resize_with_pillow(image, fitted, interpolation, whole)
            else:
                image = self._pass(image, fitted, interpolation, spans)
            spans[second] = (start - read[0], end - read[0])
        spans[first] = (0, size[first])
        if (image.size[second], spans[second]) == (size[second], (0, size[second])):
            return image
        return self._pass(image, size, interpolation, spans)

    def _pass(
        self, image: Image.Image, size: Size, interpolation: Interpolation, spans: list[Span]
    ) -> Image.Image:
        fitted = Image.new("RGB", size, None)  # every pixel of it is written
        options = self._library.ResizeOptions(self._filters[interpolation])
        (left, width), (top, height) = map(_start_and_length, spans, image.size)
        options.crop_box = self._library.CropBox(left, top, width, height)
        # one for each call: a `Resizer` must not work in two threads at once, and costs nothing
        self._library.Resizer().resize_pil(image, fitted, options)
        return fitted


def _in_reach(
    length: int, fitted: int, interpolation: Interpolation, span: Span
) -> tuple[int, int]:
    """The pixels along one axis that the filter reads for `span`, and one more."""
    start, end = span
    reach = _REACH[interpolation] * max(1.0, (end - start) / fitted) + 1
    return max(0, math.floor(start - reach)), min(length, math.ceil(end + reach))


def _start_and_length(span: Span, limit: int) -> Span:
    """Never beyond the picture, not by a rounding error either: that would be refused."""
    start, end = span
    length = min(end, limit) - start
    return start, length if start + length <= limit else math.nextafter(length, 0)


_said: dict[str, str] = {}
_chosen: dict[str, FastResizer | None] = {}


def _choose() -> FastResizer | None:
    """The fast resizer where it can be trusted; None is Pillow. Looked for once per process."""
    if "chosen" not in _chosen:
        _chosen.setdefault("chosen", _find_fast())
    return _chosen["chosen"]


def _find_fast() -> FastResizer | None:
    try:
        apart = {}
        for order in ORDERS:
            fast = FastResizer(order)
            apart[order] = _largest_difference(partial(fast.resize, small_px=0))
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


def _largest_difference(one: Resize) -> int:
    """To Pillow, in levels, on black and white dots: smaller, larger, cut, and of all orders."""
    tries: tuple[tuple[Size, Size, Interpolation, Box], ...] = (
        ((37, 23), (9, 8), "bilinear", (0, 0, 37, 23)),
        ((41, 37), (11, 9), "bicubic", (0, 0, 41, 37)),
        ((37, 23), (41, 30), "bicubic", (3.25, 1.5, 30.5, 20.75)),
        ((5, 40), (11, 9), "bicubic", (0, 0, 5, 40)),
        ((2, 240), (5, 31), "bicubic", (0, 0, 2, 240)),
    )
    return max(_difference(one, *how) for how in tries)


def _difference(
    one: Resize, size: Size, fitted: Size, interpolation: Interpolation, box: Box
) -> int:
    values = np.arange(size[0] * size[1] * 3, dtype=np.uint32)
    dots = (values * values * 2654435761 >> 31).astype(np.uint8) * np.uint8(255)
    image = Image.fromarray(dots.reshape(size[1], size[0], 3))
    wanted = _values(resize_with_pillow(image, fitted, interpolation, box))
    return int(np.abs(_values(one(image, fitted, interpolation, box)) - wanted).max())


def _values(image: Image.Image) -> npt.NDArray[np.int16]:
    return np.asarray(image).astype(np.int16)


def _is_fault(error: BaseException) -> bool:
    """A panic of Rust is no `Exception`, and no reason to end a program either."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _reason(error: BaseException) -> str:
    said = " ".join(str(error).split())[:150] or type(error).__name__
    # what Pillow before 11 calls an image's memory
    return f"it needs Pillow 11, and {pillow_name()} is here" if "PyCapsule" in said else said
