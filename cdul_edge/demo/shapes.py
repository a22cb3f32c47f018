"""The twelve things of the drawn world, as polygons in a unit circle.

A shape is drawn afresh each time: proportions, details and the number of parts vary, so that a
class is a family and not a stamp. Coordinates: x to the right, y down, the thing within about
[-1, 1]; the canvas turns, flips, scales and colors it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (P, 2), one polygon
FULL_TURN = 2 * math.pi


class Ink(IntEnum):
    """The role of a part's color; the canvas chooses the color itself."""

    MAIN = 0
    SECOND = 1
    LIGHT = 2
    DARK = 3
    LEAF = 4
    FLAME = 5


class Part(NamedTuple):
    """One filled polygon of a thing; later parts cover earlier ones."""

    points: Points
    ink: Ink


@dataclass(frozen=True)
class Shape:
    """How to draw one class.

    Attributes:
        parts: draws one specimen.
        max_turn_rad: the specimen is turned by at most this angle either way.
    """

    parts: Callable[[np.random.Generator], list[Part]]
    max_turn_rad: float = 0.38


def polygon(*corners: tuple[float, float]) -> Points:
    """(K, 2) corners as an array."""
    return np.array(corners, dtype=np.float64)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """A rectangle."""
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def arc(
    x: float, y: float, width: float, height: float, start: float = 0.0, end: float = FULL_TURN
) -> Points:
    """An ellipse with half-axes `width` and `height`, or the sector's edge from start to end."""
    angle = np.linspace(start, end, 22)
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], axis=1)


def ring(x: float, y: float, radius: float, breadth: float, end: float = FULL_TURN) -> Points:
    """A band along a circle, or along part of it."""
    inner = radius - breadth
    return np.concatenate(
        [arc(x, y, radius, radius, 0.0, end), arc(x, y, inner, inner, 0.0, end)[::-1]]
    )


def star(rng: np.random.Generator) -> list[Part]:
    """A star of random proportions."""
    points = 6 if rng.random() < 0.25 else 5
    step = np.arange(2 * points)
    radius = np.where(step % 2 == 0, 1.0, rng.uniform(0.38, 0.5))
    angle = step * math.pi / points - math.pi / 2
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    parts = [Part(outline, Ink.MAIN)]
    if rng.random() < 0.4:
        parts.append(Part(outline * 0.55, Ink.SECOND))
    return parts


def house(rng: np.random.Generator) -> list[Part]:
    """A house of random proportions."""
    width, floor = rng.uniform(0.65, 0.9), rng.uniform(0.7, 0.95)
    eaves, door = rng.uniform(-0.25, 0.05), rng.uniform(-0.3, 0.3)
    ridge = rng.uniform(-1, -0.75)
    parts = []
    if rng.random() < 0.4:
        parts.append(Part(box(width * 0.35, -0.85, width * 0.35 + 0.2, eaves), Ink.DARK))
    parts += [
        Part(box(-width, eaves, width, floor), Ink.MAIN),
        Part(polygon((-width - 0.12, eaves), (0, ridge), (width + 0.12, eaves)), Ink.SECOND),
        Part(box(door - 0.15, floor - 0.5, door + 0.15, floor), Ink.DARK),
    ]
    for window in (-width * 0.6, width * 0.6):
        if abs(window - door) > 0.35:
            pane = box(window - 0.14, eaves + 0.18, window + 0.14, eaves + 0.45)
            parts.append(Part(pane, Ink.LIGHT))
    return parts


def tree(rng: np.random.Generator) -> list[Part]:
    """A tree of random proportions."""
    trunk = rng.uniform(0.1, 0.2)
    parts = [Part(box(-trunk, 0.2, trunk, 1), Ink.DARK)]
    if rng.random() < 0.5:
        tiers = int(rng.integers(2, 4))
        for tier in range(tiers):
            low, half = 0.45 - tier / tiers, 0.85 - 0.18 * tier
            ink = Ink.SECOND if tier % 2 else Ink.MAIN
            parts.append(Part(polygon((-half, low), (0, low - 0.8), (half, low)), ink))
        return parts
    crown = ((-0.4, -0.1, 0.45, 0.42), (0.4, -0.1, 0.45, 0.42), (0.0, -0.45, 0.55, 0.5))
    parts += [Part(arc(*leaves), Ink.MAIN) for leaves in crown]
    parts.append(Part(arc(0.05, -0.1, 0.4, 0.35), Ink.SECOND))
    return parts


def car(rng: np.random.Generator) -> list[Part]:
    """A car of random proportions."""
    sill = rng.uniform(0.0, 0.1)
    parts = [Part(box(-1, sill - 0.05, 1, 0.45), Ink.MAIN)]
    if rng.random() < 0.6:
        cabin = polygon((-0.65, sill), (-0.4, -0.5), (0.35, -0.5), (0.68, sill))
        panes = (
            polygon((-0.5, sill - 0.03), (-0.32, -0.4), (-0.05, -0.4), (-0.05, sill - 0.03)),
            polygon((0.05, sill - 0.03), (0.05, -0.4), (0.28, -0.4), (0.5, sill - 0.03)),
        )
    else:
        cabin = box(-0.95, -0.5, 0.25, sill)
        panes = (box(-0.75, -0.4, -0.35, sill - 0.08), box(-0.2, -0.4, 0.15, sill - 0.08))
    parts.append(Part(cabin, Ink.MAIN))
    parts += [Part(pane, Ink.LIGHT) for pane in panes]
    for wheel in (-0.55, 0.55):
        parts.append(Part(arc(wheel, 0.45, 0.27, 0.27), Ink.DARK))
        parts.append(Part(arc(wheel, 0.45, 0.11, 0.11), Ink.LIGHT))
    return parts


def fish(rng: np.random.Generator) -> list[Part]:
    """A fish of random proportions."""
    height = rng.uniform(0.4, 0.6)
    fin = polygon((-0.2, -height * 0.9), (0.25, -height - 0.22), (0.35, -height * 0.6))
    parts = [
        Part(polygon((0.45, 0), (1, -0.5), (0.88, 0), (1, 0.5)), Ink.SECOND),
        Part(arc(-0.15, 0, 0.8, height), Ink.MAIN),
        Part(fin, Ink.SECOND),
    ]
    if rng.random() < 0.5:
        parts.append(Part(box(-0.1, -height * 0.8, 0.05, height * 0.8), Ink.SECOND))
        parts.append(Part(box(0.25, -height * 0.6, 0.38, height * 0.6), Ink.SECOND))
    parts.append(Part(arc(-0.55, -0.12, 0.12, 0.12), Ink.LIGHT))
    parts.append(Part(arc(-0.57, -0.12, 0.06, 0.06), Ink.DARK))
    return parts


def umbrella(rng: np.random.Generator) -> list[Part]:
    """An umbrella of random proportions."""
    span, panels = 0.95, int(rng.integers(3, 5))
    first = int(rng.random() < 0.5)
    edges = np.linspace(-span, span, panels + 1)
    half = (edges[1] - edges[0]) / 2
    parts = [
        Part(box(-0.04, -0.3, 0.05, 0.8), Ink.DARK),
        Part(ring(0.17, 0.78, 0.2, 0.09, end=math.pi), Ink.DARK),
        Part(arc(0, 0, span, rng.uniform(0.75, 0.95), math.pi, FULL_TURN), Ink.MAIN),
    ]
    for panel in range(panels):
        ink = Ink.SECOND if (panel + first) % 2 else Ink.MAIN
        parts.append(Part(arc(edges[panel] + half, 0, half, 0.16, 0, math.pi), ink))
    parts.append(Part(polygon((-0.2, 0), (0, -0.85), (0.2, 0)), Ink.SECOND))
    return parts


def key(rng: np.random.Generator) -> list[Part]:
    """A key of random proportions."""
    half = rng.uniform(0.09, 0.13)
    parts = [
        Part(ring(-0.6, 0, 0.4, rng.uniform(0.15, 0.2)), Ink.MAIN),
        Part(box(-0.25, -half, 1, half), Ink.MAIN),
    ]
    for tooth in (0.6, 0.85) if rng.random() < 0.5 else (0.45, 0.66, 0.87):
        bit = box(tooth - 0.07, half, tooth + 0.07, half + rng.uniform(0.18, 0.32))
        parts.append(Part(bit, Ink.MAIN))
    return parts


def cup(rng: np.random.Generator) -> list[Part]:
    """A cup of random proportions."""
    base = rng.uniform(0.4, 0.6)
    parts = [
        Part(ring(0.6, -0.05, 0.38, 0.15), Ink.SECOND),
        Part(polygon((-0.7, -0.6), (0.65, -0.6), (base, 0.75), (-base, 0.75)), Ink.MAIN),
        Part(arc(-0.02, -0.6, 0.68, 0.16), Ink.LIGHT),
        Part(arc(-0.02, -0.58, 0.55, 0.1), Ink.DARK),
    ]
    if rng.random() < 0.4:
        band = polygon((-0.62, 0), (0.57, 0), (0.53, 0.25), (-0.57, 0.25))
        parts.append(Part(band, Ink.SECOND))
    return parts


def flower(rng: np.random.Generator) -> list[Part]:
    """A flower of random proportions."""
    petals = int(rng.integers(5, 8))
    parts = [Part(box(-0.05, 0.1, 0.06, 1), Ink.LEAF)]
    if rng.random() < 0.7:
        parts.append(Part(arc(0.25, 0.65, 0.25, 0.1), Ink.LEAF))
    for petal in range(petals):
        angle = FULL_TURN * petal / petals
        x, y = 0.38 * math.cos(angle), 0.38 * math.sin(angle) - 0.35
        parts.append(Part(arc(x, y, 0.27, 0.27), Ink.MAIN))
    parts.append(Part(arc(0, -0.35, 0.23, 0.23), Ink.SECOND))
    return parts


def boat(rng: np.random.Generator) -> list[Part]:
    """A boat of random proportions."""
    parts = [
        Part(polygon((-1, 0.3), (1, 0.3), (0.65, 0.8), (-0.65, 0.8)), Ink.MAIN),
        Part(box(-0.05, -0.95, 0.04, 0.3), Ink.DARK),
        Part(polygon((0.1, -0.85), (0.1, 0.18), (rng.uniform(0.6, 0.85), 0.18)), Ink.LIGHT),
    ]
    if rng.random() < 0.7:
        parts.append(Part(polygon((-0.12, -0.7), (-0.12, 0.18), (-0.65, 0.18)), Ink.SECOND))
    return parts


def mushroom(rng: np.random.Generator) -> list[Part]:
    """A mushroom of random proportions."""
    half = rng.uniform(0.2, 0.3)
    stalk = polygon((-half, -0.1), (half, -0.1), (half + 0.08, 0.85), (-half - 0.08, 0.85))
    parts = [
        Part(stalk, Ink.LIGHT),
        Part(arc(0, 0, 0.95, rng.uniform(0.75, 0.95), math.pi, FULL_TURN), Ink.MAIN),
        Part(arc(0, 0, 0.95, 0.13), Ink.MAIN),
    ]
    for x, y, radius in ((-0.5, -0.3, 0.14), (0.05, -0.5, 0.17), (0.5, -0.22, 0.12)):
        if rng.random() < 0.85:
            parts.append(Part(arc(x, y, radius, radius), Ink.SECOND))
    return parts


def rocket(rng: np.random.Generator) -> list[Part]:
    """A rocket of random proportions."""
    half = rng.uniform(0.26, 0.36)
    hull = polygon((-half, 0.6), (-half, -0.35), (0, -1), (half, -0.35), (half, 0.6))
    parts = []
    if rng.random() < 0.6:
        flame = polygon((-half * 0.7, 0.6), (0, rng.uniform(0.85, 1.05)), (half * 0.7, 0.6))
        parts.append(Part(flame, Ink.FLAME))
    for side in (-half, half):
        fin = polygon((side, 0.25), (side + math.copysign(0.35, side), 0.75), (side, 0.65))
        parts.append(Part(fin, Ink.SECOND))
    parts += [
        Part(hull, Ink.MAIN),
        Part(polygon((-half, -0.35), (0, -1), (half, -0.35)), Ink.SECOND),
        Part(arc(0, -0.1, 0.15, 0.15), Ink.LIGHT),
    ]
    return parts


# Stars and keys lie any way up; fish and rockets tilt; what stands on the ground leans a little.
SHAPES: dict[str, Shape] = {
    "star": Shape(star, math.pi),
    "house": Shape(house),
    "tree": Shape(tree),
    "car": Shape(car),
    "fish": Shape(fish, 0.6),
    "umbrella": Shape(umbrella),
    "key": Shape(key, math.pi),
    "cup": Shape(cup),
    "flower": Shape(flower),
    "boat": Shape(boat),
    "mushroom": Shape(mushroom),
    "rocket": Shape(rocket, 0.9),
}
