"""A row whose findings are figures, round by round, some with a bar."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.measured_rows.result_file import MeasuredRow
from benchmarks.measured_rows.row import Bar
from benchmarks.record import shorten


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

    def told(self) -> str:
        """A line for the terminal."""
        verdict = {True: "met", False: "NOT MET", None: "stated"}[self.met]
        wanted = "" if self.bar is None else f", wanted {self.bar.kind} {self.bar.limit:g}"
        return f"{self.what}: {self.median:.4g} {self.unit} ({verdict}{wanted})"

    def to_dict(self) -> dict[str, object]:
        """Plain values, with what follows from them."""
        return {
            **asdict(self),
            "values": [shorten(value) for value in self.values],
            "median": shorten(self.median),
            "met": self.met,
        }


def at_most(limit: float, key: str, what: str, unit: str, *values: float) -> Figure:
    """A figure that should not exceed a limit."""
    return Figure(key, what, unit, values, Bar("at most", limit))


def at_least(limit: float, key: str, what: str, unit: str, *values: float) -> Figure:
    """A figure that should reach a limit."""
    return Figure(key, what, unit, values, Bar("at least", limit))


def stated(key: str, what: str, unit: str, *values: float) -> Figure:
    """A figure of which nothing is wanted."""
    return Figure(key, what, unit, values)


@dataclass(frozen=True)
class Measured:
    """What a row's own process found."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"figures": [one.to_dict() for one in self.figures], "notes": list(self.notes)}


@dataclass(frozen=True, kw_only=True)
class FiguresRow(MeasuredRow[Figure]):
    """A row of a result file."""

    figures: tuple[Figure, ...] = ()

    @property
    def findings(self) -> tuple[Figure, ...]:
        """The figures."""
        return self.figures

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {**super().to_dict(), "figures": [one.to_dict() for one in self.figures]}
