"""Videos of the drawn world with exact truth: things cross the frame, and a cheap camera looks on.

A video is a world that moves and a camera that looks at it now and then: the same seed at another
frame rate shows the same things at the same moments, with the noise of its own frames.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from cdul_edge.demo.canvas import COLOR_NAMES, Canvas, Pixels
from cdul_edge.demo.pictures import CLASS_NAMES, FREQUENCIES, LOG_RADII, VISIBLE_FRACTION
from cdul_edge.demo.shapes import SHAPES

Generator = np.random.Generator
SIZE_PX = 144
_PRESENT = 2.3  # things in the picture, on average
_STAY_S = (3.0, 9.0)  # how long a thing is there
_PAUSE_S = 1.0  # before another of its class comes
_BEFORE_S = 6.0  # things come from before the first frame, so that it is not empty


@dataclass(frozen=True)
class Camera:
    """What a cheap camera does to a picture.

    Attributes:
        noise: standard deviation of a pixel, in levels of 255; new in each frame.
        gain: standard deviation of the exposure, as a factor.
        gain_s: how long the exposure remembers.
        blurred: share of the frames that are out of focus.
        quality: of JPEG.
    """

    noise: float = 14.0
    gain: float = 0.05
    gain_s: float = 0.28
    blurred: float = 0.15
    quality: int = 40


@dataclass(frozen=True)
class Thing:
    """One thing that comes and goes.

    Attributes:
        seed: of its details.
        full_px: pixels that it fills where all of it is in the picture.
        start_s, stay_s: when it comes, and how long it is there.
        y: height of its path, as a fraction of the side.
        bob: how far it swings up and down.
        rest: where it waits before it leaves as it came; None crosses the picture.
        from_right: whether it comes from there.
    """

    label: int
    color: str
    radius: float
    seed: int
    full_px: int
    start_s: float
    stay_s: float
    y: float
    bob: float
    rest: float | None
    from_right: bool

    def center(self, time_s: float) -> tuple[float, float] | None:
        """Where it is, in fractions of the side; None where it is not there."""
        along = (time_s - self.start_s) / self.stay_s
        if not 0 <= along <= 1:
            return None
        outside = -1.2 * self.radius
        if self.rest is None:
            x = outside + (1 - 2 * outside) * along
        else:
            x = outside + (self.rest - outside) * min(1.0, along / 0.25, (1 - along) / 0.25)
        swing = self.bob * math.sin(6 * time_s + self.seed)
        return (1 - x if self.from_right else x), self.y + swing

    def paint(self, canvas: Canvas, center: tuple[float, float]) -> None:
        """Paint it there, the same specimen each time."""
        shape, rng = SHAPES[CLASS_NAMES[self.label]], np.random.default_rng(self.seed)
        canvas.add_object(shape, self.color, center, self.radius, rng)


@dataclass(frozen=True)
class DrawnFrame:
    """One frame, and what can be seen in it.

    Attributes:
        time_s: since the video's start.
        picture: (SIZE_PX, SIZE_PX, 3) RGB, as the camera gives it.
        labels: (C,) whether a third or more of a thing of the class can be seen.
    """

    time_s: float
    picture: Pixels
    labels: npt.NDArray[np.bool_]


def draw_video(
    seed: int, seconds: float, fps: float, camera: Camera | None = None
) -> Iterator[DrawnFrame]:
    """The frames of one video; without a camera, they are as they were painted."""
    rng = np.random.default_rng(seed)
    things = _invent_things(rng, seconds)
    ground_seed, clutter = int(rng.integers(1 << 31)), int(rng.integers(2, 8))
    noise = np.random.default_rng([seed, round(1000 * fps)])
    exposure = 0.0
    for index in range(round(seconds * fps)):
        time_s = index / fps
        canvas = Canvas(np.random.default_rng(ground_seed), SIZE_PX)
        canvas.add_clutter(clutter)
        labels = _paint(canvas, things, time_s)
        picture = canvas.picture()
        if camera is not None:
            kept = math.exp(-1 / fps / camera.gain_s) if index else 0.0
            exposure = kept * exposure + math.sqrt(1 - kept**2) * noise.normal()
            picture = _take(picture, camera, 1 + camera.gain * exposure, noise)
        yield DrawnFrame(time_s, picture, labels)


def _invent_things(rng: Generator, seconds: float) -> list[Thing]:
    """Things in painting order, the small ones behind; never two of a class at once."""
    things = []
    free_s = np.full(len(CLASS_NAMES), -math.inf)
    now_s = -_BEFORE_S
    while (now_s := now_s + rng.exponential(sum(_STAY_S) / 2 / _PRESENT)) < seconds:
        chances = np.where(free_s < now_s, FREQUENCIES, 0.0)
        label = int(rng.choice(len(CLASS_NAMES), p=chances / chances.sum()))
        thing = _invent_thing(rng, label, now_s)
        free_s[label] = now_s + thing.stay_s + _PAUSE_S
        things.append(thing)
    return sorted(things, key=lambda thing: thing.radius)


def _invent_thing(rng: Generator, label: int, start_s: float) -> Thing:
    color = COLOR_NAMES[rng.integers(len(COLOR_NAMES))]
    radius, seed = float(np.exp(rng.uniform(*LOG_RADII))), int(rng.integers(1 << 31))
    alone = Canvas(np.random.default_rng(0), SIZE_PX)
    alone.add_object(
        SHAPES[CLASS_NAMES[label]], color, (0.5, 0.5), radius, np.random.default_rng(seed)
    )
    return Thing(
        label=label,
        color=color,
        radius=radius,
        seed=seed,
        full_px=alone.visible_px()[0],
        start_s=start_s,
        stay_s=rng.uniform(*_STAY_S),
        y=rng.uniform(0.15, 0.85),
        bob=rng.uniform(0, 0.04),
        rest=rng.uniform(0.25, 0.75) if rng.random() < 0.4 else None,
        from_right=bool(rng.random() < 0.5),
    )


def _paint(canvas: Canvas, things: list[Thing], time_s: float) -> npt.NDArray[np.bool_]:
    here = [(thing, center) for thing in things if (center := thing.center(time_s)) is not None]
    for thing, center in here:
        thing.paint(canvas, center)
    labels = np.zeros(len(CLASS_NAMES), np.bool_)
    for (thing, _), seen_px in zip(here, canvas.visible_px(), strict=True):
        labels[thing.label] |= seen_px >= VISIBLE_FRACTION * thing.full_px
    return labels


def _take(picture: Pixels, camera: Camera, gain: float, rng: Generator) -> Pixels:
    grain = rng.normal(0, camera.noise, picture.shape)
    image = Image.fromarray(np.clip(picture * gain + grain, 0, 255).astype(np.uint8))
    if rng.random() < camera.blurred:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 1.6)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=camera.quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
