"""A row of the figures of streams: what is measured, and what came out, round by round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

FPS, SIZE_PX = 25, (640, 480)  # of every camera here


@dataclass(frozen=True)
class Setting:
    """How a row is measured.

    Attributes:
        rounds: turns of each side; their medians count.
        soak_s: how long the row of that name watches.
        work: a folder for exported networks, which rows share.
        quick: short turns and tiny networks, to try the code; the figures mean nothing.
    """

    rounds: int
    soak_s: float
    work: Path
    quick: bool = False

    def seconds(self, whole: float) -> float:
        """How long a turn lasts that takes `whole` seconds."""
        return min(whole, 2.5) if self.quick else whole


@dataclass(frozen=True)
class Bar:
    """What is wanted of the median."""

    kind: Literal["at most", "at least"]
    limit: float

    def met(self, value: float) -> bool:
        """Whether the unrounded value is within it."""
        return value <= self.limit if self.kind == "at most" else value >= self.limit


@dataclass(frozen=True)
class Figure:
    """One figure, round by round.

    Attributes:
        key: its name within the row.
        what: it is, for tables.
        unit: of the values, such as "ms"; "x" is a ratio.
        bar: what is wanted; None where the figure is only stated.
    """

    key: str
    what: str
    unit: str
    values: tuple[float, ...]
    bar: Bar | None = None

    @property
    def median(self) -> float:
        """Over the rounds."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the bar is; None where there is none."""
        return None if self.bar is None else self.bar.met(self.median)

    def to_dict(self) -> dict[str, object]:
        """Plain values, with what follows from them; four digits, as more is noise."""
        values = [float(f"{value:.4g}") for value in self.values]
        middle = float(f"{self.median:.4g}")
        return {**asdict(self), "values": values, "median": middle, "met": self.met}


def at_most(limit: float, key: str, what: str, unit: str, *values: float) -> Figure:
    """A figure that should not exceed a limit."""
    return Figure(key, what, unit, values, Bar("at most", limit))


@dataclass(frozen=True)
class Measured:
    """What a row's own process found."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"figures": [one.to_dict() for one in self.figures], "notes": list(self.notes)}


@dataclass(frozen=True)
class Row:
    """What `--only` names.

    Attributes:
        needs: import names of what it needs, with the package that brings each.
        camera: whether it needs a loopback camera.
        measure: runs in a process of its own.
        prepare: runs in another before it, such as an export; None where nothing is to be done.
        limit_s: that it may take, beside `Setting.soak_s`.
    """

    name: str
    title: str
    measure: Callable[[Setting], Measured]
    prepare: Callable[[Setting], object] | None = None
    needs: Mapping[str, str] | None = None
    camera: bool = True
    limit_s: float = 300.0
