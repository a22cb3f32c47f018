"""Two kinds of drawn picture: scenes with hidden truth, and single things with a caption."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdul_edge.demo.canvas import COLOR_NAMES, Canvas, Pixels
from cdul_edge.demo.captions import write_caption, write_empty_caption
from cdul_edge.demo.shapes import SHAPES

CLASS_NAMES: tuple[str, ...] = tuple(SHAPES)

# Uneven, as in real photographs: the commonest class is met four times as often as the rarest.
FREQUENCIES = np.array([2.2, 2.0, 1.7, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6, 0.6, 0.5])
_OBJECTS_A_SCENE = ((1, 2, 3, 4), (0.2, 0.35, 0.3, 0.15))
# Radii as fractions of the side, evenly spread over the logarithm.
LOG_RADII = (math.log(0.09), math.log(0.26))
# A thing of which less than this is left uncovered is not in the truth.
VISIBLE_FRACTION = 0.35

# Four endless rows of pictures for each seed; no picture stands in two of them.
STREAMS = ("train", "heldout", "clip", "clip-check")
_INDEX_BITS = 32
NO_CLASS = -1


def picture_seed(seed: int, stream: str, index: int) -> int:
    """The seed of one picture; different (seed, stream, index) never give the same."""
    if seed < 0 or not 0 <= index < 2**_INDEX_BITS:
        raise ValueError(f"seed {seed}, index {index}: expected 0 or more, index below 2**32")
    return ((seed * len(STREAMS) + STREAMS.index(stream)) << _INDEX_BITS) + index


@dataclass(frozen=True)
class Scene:
    """A picture of one to four things.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        labels: (C,) uint8, 1 for each class of which a third or more can be seen.
    """

    image: Pixels
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture with one dominant thing, and words for that thing alone.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        class_index: of the dominant thing; NO_CLASS for a picture of nothing.
        caption: English, lower case.
    """

    image: Pixels
    class_index: int
    caption: str


def paint_scene(seed: int, size_px: int = 144) -> Scene:
    """Paint the scene that belongs to `seed`; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    canvas = Canvas(rng, size_px)
    canvas.add_clutter(int(rng.integers(2, 8)))
    count = int(rng.choice(_OBJECTS_A_SCENE[0], p=_OBJECTS_A_SCENE[1]))
    chances = FREQUENCIES / FREQUENCIES.sum()
    classes = rng.choice(len(CLASS_NAMES), count, replace=False, p=chances)
    # Small things are painted first: they stand behind, as if far away.
    radii = np.sort(np.exp(rng.uniform(*LOG_RADII, count)))
    centers = _scatter(rng, radii)
    for index, radius, center in zip(classes, radii, centers, strict=True):
        canvas.add_object(SHAPES[CLASS_NAMES[index]], _color(rng), center, radius)
    if rng.random() < 0.5:
        canvas.add_occluders(int(rng.integers(1, 4)))
    labels = np.zeros(len(CLASS_NAMES), dtype=np.uint8)
    labels[classes] = np.array(canvas.visible_fractions()) >= VISIBLE_FRACTION
    return Scene(canvas.picture(), labels)


def paint_single(
    seed: int, size_px: int = 64, *, companion_chance: float = 0.5
) -> CaptionedPicture:
    """Paint one dominant thing, as a web photograph shows it, and caption it.

    Args:
        companion_chance: of one or two much smaller things beside it, which the caption leaves
            out: CLIP sees the dominant thing best because captions speak of it alone.
    """
    rng = np.random.default_rng(seed)
    canvas = Canvas(rng, size_px)
    index = int(rng.integers(len(CLASS_NAMES)))
    color, radius = _color(rng), rng.uniform(0.14, 0.5)
    canvas.add_clutter(int(rng.integers(0, 7)))
    if rng.random() < companion_chance:
        for _ in range(int(rng.integers(1, 3))):
            companion = SHAPES[CLASS_NAMES[rng.integers(len(CLASS_NAMES))]]
            x, y = rng.uniform(0.05, 0.95, 2)
            small = max(0.06, radius * rng.uniform(0.3, 0.6))
            canvas.add_object(companion, _color(rng), (x, y), small)
    if rng.random() < 0.7:
        reach = 0.7 * max(0.1, 0.5 - radius)
    else:  # close-ups run out of the frame
        reach, radius = 0.34, radius * rng.uniform(1.0, 1.5)
    x, y = 0.5 + rng.uniform(-reach, reach, 2)
    canvas.add_object(SHAPES[CLASS_NAMES[index]], color, (x, y), radius)
    if rng.random() < 0.25:
        canvas.add_clutter(int(rng.integers(1, 3)))
    caption = write_caption(
        rng,
        name=CLASS_NAMES[index],
        color=color,
        background=canvas.background,
        radius=radius,
    )
    return CaptionedPicture(canvas.picture(), index, caption)


def paint_empty(seed: int, size_px: int = 64) -> CaptionedPicture:
    """Paint a background, perhaps with clutter, and caption it as just that.

    A CLIP that only ever met things takes any clutter for the thinnest of them; most tiles of a
    scene show no thing at all.
    """
    rng = np.random.default_rng(seed)
    canvas = Canvas(rng, size_px)
    canvas.add_clutter(int(rng.integers(0, 5)))
    caption = write_empty_caption(rng, canvas.background)
    return CaptionedPicture(canvas.picture(), NO_CLASS, caption)


def _color(rng: np.random.Generator) -> str:
    return COLOR_NAMES[rng.integers(len(COLOR_NAMES))]


def _scatter(rng: np.random.Generator, radii: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Centers for things of these radii: apart where twelve tries find room, else overlapping."""
    centers: list[tuple[float, float]] = []
    for radius in radii:
        for _ in range(12):
            x, y = rng.uniform(0.7 * radius, 1 - 0.7 * radius, 2)
            apart = (
                math.hypot(x - other_x, y - other_y) > 0.75 * (radius + other)
                for (other_x, other_y), other in zip(centers, radii, strict=False)
            )
            if all(apart):
                break
        centers.append((x, y))
    return centers
