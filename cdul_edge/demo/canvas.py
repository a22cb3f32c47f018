"""A canvas that knows which thing each of its pixels shows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cdul_edge.demo.shapes import Ink, Shape

Pixels = NDArray[np.uint8]
Color = tuple[int, int, int]

COLORS: dict[str, Color] = {
    "red": (205, 45, 45),
    "orange": (235, 135, 35),
    "yellow": (235, 210, 60),
    "green": (60, 155, 70),
    "blue": (50, 95, 200),
    "purple": (135, 65, 170),
    "pink": (240, 140, 180),
    "brown": (130, 85, 50),
    "black": (35, 35, 40),
    "white": (240, 240, 238),
    "gray": (135, 135, 140),
    "cyan": (70, 190, 205),
}
COLOR_NAMES = tuple(COLORS)
BACKGROUNDS = ("plain", "gradient", "striped", "checkered", "spotted", "noisy")

# Painted at twice the size and box-filtered down, so that edges are smooth as in a photograph.
SUPERSAMPLING = 2


class Canvas:
    """One square picture in the making; positions and lengths are fractions of its side.

    Args:
        rng: every random choice comes from it, in a fixed order.
        size_px: side of the finished picture.
    """

    def __init__(self, rng: np.random.Generator, size_px: int) -> None:
        self.size_px = size_px
        self.background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
        self._rng = rng
        self._side = size_px * SUPERSAMPLING
        ground = Image.fromarray(_background(rng, size_px, self.background))
        self._image = ground.resize((self._side, self._side), Image.Resampling.NEAREST)
        self._brush = ImageDraw.Draw(self._image)
        self._owners = Image.new("L", (size_px, size_px), 0)
        self._owner_brush = ImageDraw.Draw(self._owners)
        self._painted_px: list[int] = []

    def add_object(
        self,
        shape: Shape,
        color: str,
        center: tuple[float, float],
        radius: float,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Paint one specimen over whatever is there; its owner number is the count of objects.

        Args:
            rng: decides its details in place of the canvas's: the same one in another picture
                paints the same specimen again.
        """
        rng = rng or self._rng
        parts = shape.parts(rng)
        angle = rng.uniform(-shape.max_turn_rad, shape.max_turn_rad)
        flip = -1.0 if rng.random() < 0.5 else 1.0
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        pose = turn * np.array([flip * rng.uniform(0.85, 1.1), 1.0]) * radius
        colors = _palette(rng, color)
        owner = len(self._painted_px) + 1
        for points, ink in parts:
            outline = points @ pose.T + center
            self._brush.polygon((outline * self._side).ravel().tolist(), fill=colors[ink])
            self._owner_brush.polygon((outline * self.size_px).ravel().tolist(), fill=owner)
        self._painted_px.append(int((np.asarray(self._owners) == owner).sum()))

    def add_clutter(self, count: int) -> None:
        """Sticks, blobs, splinters and boxes: things of no class, painted over what is there."""
        rng, side = self._rng, self._side
        for _ in range(count):
            color = _any_color(rng)
            x, y = rng.uniform(0, side, 2)
            radius, squash = side * rng.uniform(0.02, 0.09), rng.uniform(0.4, 1)
            kind = rng.integers(4)
            frame = (x - radius, y - radius * squash, x + radius, y + radius * squash)
            if kind == 0:
                self._add_stick(color, length=rng.uniform(0.08, 0.3), is_occluder=False)
            elif kind == 1:
                self._brush.ellipse(frame, fill=color)
            elif kind == 2:
                splinter = np.array([x, y]) + rng.normal(0, radius, (3, 2))
                self._brush.polygon(splinter.ravel().tolist(), fill=color)
            else:
                self._brush.rectangle(frame, fill=color)

    def add_occluders(self, count: int) -> None:
        """Bars in front of everything; what they cover is no longer visible."""
        for _ in range(count):
            length = self._rng.uniform(0.1, 0.4)
            self._add_stick(_any_color(self._rng), length=length, is_occluder=True)

    def visible_fractions(self) -> list[float]:
        """For each object in painting order, the part of it that nothing covers, in [0, 1].

        An object that was painted wholly outside the picture has 0.
        """
        return [
            float(seen / painted) if painted else 0.0
            for seen, painted in zip(self.visible_px(), self._painted_px, strict=True)
        ]

    def visible_px(self) -> list[int]:
        """For each object in painting order, how many pixels of the picture show it."""
        owners = np.asarray(self._owners).ravel()
        seen: list[int] = np.bincount(owners, minlength=len(self._painted_px) + 1)[1:].tolist()
        return seen

    def picture(self) -> Pixels:
        """The finished (size_px, size_px, 3) RGB picture."""
        size = (self.size_px, self.size_px)
        return np.asarray(self._image.resize(size, Image.Resampling.BOX))

    def _add_stick(self, color: Color, *, length: float, is_occluder: bool) -> None:
        rng = self._rng
        angle, width = rng.uniform(0, math.pi), rng.uniform(0.012, 0.035)
        start = rng.uniform(0, 1, 2)
        end = start + length * np.array([math.cos(angle), math.sin(angle)])
        line = np.concatenate([start, end])
        self._brush.line((line * self._side).tolist(), color, max(2, round(width * self._side)))
        if is_occluder:
            width_px = max(1, round(width * self.size_px))
            self._owner_brush.line((line * self.size_px).tolist(), 0, width_px)


def _any_color(rng: np.random.Generator) -> Color:
    red, green, blue = rng.integers(20, 240, 3).tolist()
    return red, green, blue


def _near(rng: np.random.Generator, color: Color, spread: float) -> Color:
    red, green, blue = np.clip(rng.normal(color, spread), 0, 255).astype(int).tolist()
    return red, green, blue


def _palette(rng: np.random.Generator, main: str) -> dict[Ink, Color]:
    others = [name for name in COLOR_NAMES if name != main]
    second = others[rng.integers(len(others))]
    return {
        Ink.MAIN: _near(rng, COLORS[main], 18),
        Ink.SECOND: _near(rng, COLORS[second], 18),
        Ink.LIGHT: _near(rng, (232, 235, 240), 10),
        Ink.DARK: _near(rng, (60, 50, 45), 12),
        Ink.LEAF: _near(rng, COLORS["green"], 18),
        Ink.FLAME: _near(rng, (240, 150, 40), 18),
    }


def _background(rng: np.random.Generator, size_px: int, kind: str) -> Pixels:
    """A (size_px, size_px, 3) blend of two muted colors by a pattern, with film grain."""
    first, second = (np.array(COLORS[COLOR_NAMES[k]]) for k in rng.integers(len(COLORS), size=2))
    first = 0.55 * first + 0.45 * rng.uniform(60, 230, 3)
    second = 0.5 * (first + second)
    blend = _pattern(rng, size_px, kind)[..., np.newaxis]
    grain = rng.normal(0, rng.uniform(2, 12), (size_px, size_px, 1))
    blended = np.clip(first + blend * (second - first) + grain, 0, 255)
    return np.asarray(blended, dtype=np.uint8)


def _pattern(rng: np.random.Generator, size_px: int, kind: str) -> NDArray[np.float64]:
    """(size_px, size_px) shares of the second color, in [0, 1]; the pattern is turned freely."""
    if kind == "plain":
        return np.zeros((size_px, size_px))
    if kind == "noisy":
        coarse = rng.random((int(rng.integers(6, 16)),) * 2).astype(np.float32)
        fine = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC)
        return np.clip(np.asarray(fine, dtype=np.float64), 0, 1)
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    angle = rng.uniform(0, 2 * math.pi)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    if kind == "gradient":
        return np.asarray((along - along.min()) / np.ptp(along))
    if kind == "striped":
        return np.asarray(np.sin(along * rng.uniform(20, 70)) > 0, dtype=np.float64)
    pitch = rng.uniform(15, 45)
    if kind == "checkered":
        return np.asarray(np.sin(along * pitch) * np.sin(across * pitch) > 0, dtype=np.float64)
    spots = np.cos(along * pitch) + np.cos(across * pitch)
    return np.asarray(spots > rng.uniform(0.9, 1.4), dtype=np.float64)
