"""Charts as SVG, written by hand: text files that every browser shows, and no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

# Percent; a narrower axis would show what the figures beside it round away.
LEAST_SPAN = 1.0
INK, FAINT, GRID, ACCENT, BASE = "#222", "#777", "#ddd", "#1f5fa8", "#b0b0b0"
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"


@dataclass
class Drawing:
    """An SVG in the making; positions and sizes in px from the upper left corner."""

    width: float
    height: float
    shapes: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", size: int = 12,
        color: str = INK, bold: bool = False,
    ) -> None:  # fmt: skip
        """Words whose baseline starts, is centered ("middle") or ends at a point."""
        weight = " font-weight='bold'" if bold else ""
        self.shapes.append(
            f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}' "
            f"fill='{color}'{weight}>{escape(words)}</text>"
        )

    def line(
        self, points: Sequence[tuple[float, float]], color: str = INK, *, width: float = 1,
        dashed: bool = False,
    ) -> None:  # fmt: skip
        """A line through two points or more."""
        where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = " stroke-dasharray='4 3'" if dashed else ""
        self.shapes.append(
            f"<polyline points='{where}' fill='none' stroke='{color}' "
            f"stroke-width='{width}'{dashes}/>"
        )

    def dot(self, x: float, y: float, radius: float, color: str, *, opacity: float = 1) -> None:
        """A filled circle."""
        self.shapes.append(
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' fill='{color}' "
            f"fill-opacity='{opacity}'/>"
        )

    def to_svg(self) -> str:
        """The whole file."""
        width, height = math.ceil(self.width), math.ceil(self.height)
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
            f"viewBox='0 0 {width} {height}' {FONT}>"
        )
        ground = "<rect width='100%' height='100%' fill='white'/>"
        return "\n".join([head, ground, *self.shapes, "</svg>"]) + "\n"


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` laid out from `start` to `end` px."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value lies."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Round values within the axis, at most `most`."""
        step = round_step((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is `least` or more."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def fit_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis with round ends that has room for every value."""
    low, high = min(values), max(values)
    missing = max(0.0, LEAST_SPAN - (high - low))
    low, high = low - missing / 2, high + missing / 2
    step = round_step((high - low) / 6)
    return Axis(math.floor(low / step) * step, (math.floor(high / step) + 1) * step, start, end)
