"""A row of the figures of streams: what is measured, and what came out, round by round."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.measured_rows import row as measured_rows
from benchmarks.measured_rows.result_file import MeasuredRow
from benchmarks.measured_rows.row import Bar
from benchmarks.measured_rows.words import seconds
from benchmarks.record import shorten

FPS, SIZE_PX = 25, (640, 480)  # of every camera here


@dataclass(frozen=True, kw_only=True)
class Setting(measured_rows.Setting):
    """How a row is measured.

    Attributes:
        soak_s: how long the row "soak" watches.
    """

    soak_s: float

    @classmethod
    def add_options(cls, parser: ArgumentParser) -> None:
        """Add --soak to those of every benchmark."""
        super().add_options(parser)
        parser.add_argument(
            "--soak",
            dest="soak_s",
            metavar="SECONDS",
            type=seconds,
            default=1200.0,
            help="that the row soak lasts",
        )

    def words(self) -> list[str]:
        """The options that give this setting again, in any folder."""
        return [*super().words(), "--soak", f"{self.soak_s:g}"]

    def allowed_s(self, limit_s: float) -> float:
        """Beside what the soak lasts."""
        return limit_s + self.soak_s

    def seconds(self, whole: float) -> float:
        """How long a turn lasts that takes `whole` seconds."""
        return min(whole, 2.5) if self.quick else whole


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


@dataclass(frozen=True)
class Measured:
    """What a row's own process found."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"figures": [one.to_dict() for one in self.figures], "notes": list(self.notes)}


@dataclass(frozen=True, kw_only=True)
class StreamsRow(MeasuredRow[Figure]):
    """A row of streams.json."""

    figures: tuple[Figure, ...] = ()

    @property
    def findings(self) -> tuple[Figure, ...]:
        """The figures."""
        return self.figures

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {**super().to_dict(), "figures": [one.to_dict() for one in self.figures]}
