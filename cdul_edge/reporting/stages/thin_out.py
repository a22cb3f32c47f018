"""Fewer points of a long line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Point = TypeVar("Point")


def thin_out(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many of the points, evenly chosen; the first and the last stay.

    Args:
        points: N, in order.
        most: 2 or more.
    """
    if len(points) <= most:
        return list(points)
    last = len(points) - 1
    return [points[round(place * last / (most - 1))] for place in range(most)]
