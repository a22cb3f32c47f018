"""cykooz-resizer, asked for one axis at a time, in the order in which this Pillow takes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from cdul_edge_runtime.choices import Interpolation

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]  # width and height
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels and parts of them
Span = tuple[float, float]  # start and end along one axis
Order = Callable[[Size, Size], bool]  # sizes before and after

PILLOW_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# How far a filter reaches, in pixels of the larger grid: triangle, and cubic with a = -0.5.
_REACH = {"bilinear": 1, "bicubic": 2}
# A second pass that shrinks by less has weights so large that an error of the first may show.
_EXACT_BELOW = 1.5
# And where a picture is small, Pillow's first pass takes no time.
_SMALL_PX = 1 << 16
# Of an array that is copied at once: all of a frame of 1280x720, and of a large one a part.
_STRIP_BYTES = 1 << 22
_REMEMBERED = 32  # sizes of arrays
# Which pictures Pillow resizes along columns first: from 13.0 on, from 12.2 on, and before.
ORDERS: tuple[Order, ...] = (
    lambda old, new: new[1] < old[1] and old[1] - new[1] > 2 * (old[0] - new[0]),
    lambda old, new: new[1] < old[1] and old[1] > 100 * old[0],
    lambda old, new: False,
)


def resize_with_pillow(
    image: Image.Image, size: Size, interpolation: Interpolation, box: Box
) -> Image.Image:
    """What `resize` is held to."""
    return image.resize(size, PILLOW_FILTERS[interpolation], box=box)


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
        self._kind = cykooz_resizer.PixelType.U8x3
        # frames come in one size, and all this Python would take a third of the time
        self._steps = lru_cache(_REMEMBERED)(self._make_steps)

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
        for one in self._plan(image.size, size, interpolation, box, small_px):
            if one.by_pillow:
                image = resize_with_pillow(image, one.size, interpolation, one.box)
                continue
            fitted = Image.new("RGB", one.size, None)  # every pixel of it is written
            # one for each call: a `Resizer` must not work in two threads at once, and costs nothing
            self._library.Resizer().resize_pil(image, fitted, self._options(one, interpolation))
            image = fitted
        return image

    def resize_array(
        self,
        pixels: Pixels,
        size: Size,
        interpolation: Interpolation,
        box: Box,
        *,
        small_px: int = _SMALL_PX,
    ) -> Pixels | None:
        """The same values of an array, 3 bytes per pixel all the way: Pillow's have 4.

        None where Pillow has a part in it, or nothing changes.
        """
        old = pixels.shape[1], pixels.shape[0]
        strips, last = self._steps(old, size, interpolation, box, small_px)
        if not strips:
            return None
        of_bytes, kind, resizer = self._library.ImageData, self._kind, self._library.Resizer()
        parts = []
        for rows, one in strips:
            source = of_bytes(*one.old, kind, pixels[rows].tobytes())
            part = of_bytes(*one.size, kind)
            resizer.resize(source, part, one.options)
            parts.append(part)
        fitted = parts[0]
        if len(parts) > 1:
            content = b"".join(part.get_buffer() for part in parts)
            fitted = of_bytes(parts[0].width, sum(part.height for part in parts), kind, content)
        if last is not None:
            source, fitted = fitted, of_bytes(*last.size, kind)
            resizer.resize(source, fitted, last.options)
        return np.frombuffer(fitted.get_buffer(), np.uint8).reshape(size[1], size[0], 3)

    def _make_steps(
        self, old: Size, size: Size, interpolation: Interpolation, box: Box, small_px: int
    ) -> tuple[tuple[tuple[slice, _Step], ...], _Step | None]:
        """What is done to strips of an array, and then to them together; nothing where not here."""
        plan = self._plan(old, size, interpolation, box, small_px)
        if not plan or any(one.by_pillow for one in plan):
            return (), None
        head, *rest = plan
        strips = tuple(_strips(head)) if head.along_rows else ((slice(None), head),)
        first = tuple((rows, self._step(one, interpolation)) for rows, one in strips)
        return first, self._step(rest[0], interpolation) if rest else None

    def _step(self, one: _Pass, interpolation: Interpolation) -> _Step:
        return _Step(one.old, one.size, self._options(one, interpolation))

    def _plan(
        self, old: Size, size: Size, interpolation: Interpolation, box: Box, small_px: int
    ) -> list[_Pass]:
        """At most one for each axis; none where nothing changes."""
        first, second = (1, 0) if self.columns_first(old, size) else (0, 1)
        spans, plan, now = [(box[0], box[2]), (box[1], box[3])], [], old
        if (old[first], spans[first]) != (size[first], (0, size[first])):
            start, end = spans[second]
            # of the other axis only what its own filter will read
            read = _in_reach(old[second], size[second], interpolation, spans[second])
            spans[second] = read
            length = read[1] - read[0]
            now = (size[0], length) if first == 0 else (length, size[1])
            by_pillow = old[0] * old[1] <= small_px or end - start < _EXACT_BELOW * size[second]
            plan.append(_Pass(old, now, (*spans,), by_pillow))
            spans[second] = (start - read[0], end - read[0])
        spans[first] = (0, size[first])
        if (now[second], spans[second]) != (size[second], (0, size[second])):
            plan.append(_Pass(now, size, (*spans,), by_pillow=False))
        return plan

    def _options(self, one: _Pass, interpolation: Interpolation) -> object:
        options = self._library.ResizeOptions(self._filters[interpolation])
        (left, width), (top, height) = map(_start_and_length, one.spans, one.old)
        options.crop_box = self._library.CropBox(left, top, width, height)
        return options


@dataclass(frozen=True)
class _Pass:
    """Along one axis, of `spans` along both: from a size to a size."""

    old: Size
    size: Size
    spans: tuple[Span, ...]
    by_pillow: bool

    @property
    def box(self) -> Box:
        (left, right), (top, bottom) = self.spans
        return left, top, right, bottom

    @property
    def along_rows(self) -> bool:
        """Each row becomes one, whatever stands in the others."""
        top, bottom = self.spans[1]
        return self.size[1] == bottom - top and top == int(top)


@dataclass(frozen=True)
class _Step:
    """A pass as the library wants it."""

    old: Size
    size: Size
    options: object


def _strips(whole: _Pass) -> Iterator[tuple[slice, _Pass]]:
    """The rows that are read, a few at a time, each with what is done to them."""
    (width, _), top, bottom = whole.old, *map(int, whole.spans[1])
    at_once = max(1, _STRIP_BYTES // (3 * width))
    for start in range(top, bottom, at_once):
        rows = min(at_once, bottom - start)
        one = _Pass((width, rows), (whole.size[0], rows), (whole.spans[0], (0, rows)), False)
        yield slice(start, start + rows), one


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
