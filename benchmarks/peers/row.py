"""A row of the comparison: what is measured, and what came out, round by round."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

from benchmarks.measured_rows import row as measured_rows
from benchmarks.measured_rows.result_file import MeasuredRow
from benchmarks.measured_rows.words import count
from benchmarks.record import median_ratio, shorten

Unit = Literal["ms", "s", "pictures/s", "MiB"]
# No side may ask the network while it is timed: its own switches, where it has them.
_OFFLINE = {
    "YOLO_OFFLINE": "true",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Setting(measured_rows.Setting):
    """How a row is measured: with as many threads for each side, and without the network."""

    @classmethod
    def add_options(cls, parser: ArgumentParser) -> None:
        """Add --threads to those of every benchmark."""
        super().add_options(parser)
        parser.add_argument("--threads", type=count, default=2, help="of each side")

    def words(self) -> list[str]:
        """The options that give this setting again, in any folder."""
        return [*super().words(), "--threads", str(self.threads)]

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """What the sides keep between runs is kept with the networks, not in anybody's home."""
        kept = {"YOLO_CONFIG_DIR": str(self.work), "XDG_CACHE_HOME": str(self.work)}
        threads = dict.fromkeys(_THREADS, str(self.threads))
        return {**super().environment(given), **_OFFLINE, **kept, **threads}


@dataclass(frozen=True)
class Bar(measured_rows.Bar):
    """What is wanted of the ratio, or of our own figure."""

    of: Literal["ratio", "ours"] = "ratio"


@dataclass(frozen=True)
class Comparison:
    """Two sides that took turns.

    Attributes:
        key: its name within the row.
        work: what both did, for tables.
        side: what ran it of ours, such as "int8-cpu on cpu"; empty where `work` says it.
        peer: the other tool.
        ours, theirs: a figure per round.
        bar: what is wanted; None where the figures are only stated.
    """

    key: str
    work: str
    peer: str
    unit: Unit
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    bar: Bar | None = None
    side: str = ""

    @property
    def ratio(self) -> float:
        """Median over rounds of ours / theirs."""
        return median_ratio(self.ours, self.theirs)

    @property
    def met(self) -> bool | None:
        """Whether the bar is; None where there is none."""
        if self.bar is None:
            return None
        return self.bar.met(self.ratio if self.bar.of == "ratio" else median(self.ours))

    def told(self) -> str:
        """A line for the terminal."""
        verdict = {True: "met", False: "NOT MET", None: "stated"}[self.met]
        wanted = "" if self.bar is None else f" {self.bar.of} {self.bar.kind} {self.bar.limit:g}"
        return (
            f"{self.work} [{self.side}]: {median(self.ours):.4g} {self.unit}, {self.peer} "
            f"{median(self.theirs):.4g} {self.unit}, {self.ratio:.3f}x ({verdict}{wanted})"
        )

    def to_dict(self) -> dict[str, object]:
        """Plain values, with what follows from them."""
        return {
            **asdict(self),
            "ours": [shorten(value) for value in self.ours],
            "theirs": [shorten(value) for value in self.theirs],
            "median_ours": shorten(median(self.ours)),
            "median_theirs": shorten(median(self.theirs)),
            "ratio": shorten(self.ratio),
            "met": self.met,
        }


@dataclass(frozen=True)
class Measured:
    """What a row's own process found."""

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {
            "comparisons": [one.to_dict() for one in self.comparisons],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class PeersRow(MeasuredRow[Comparison]):
    """A row of peers.json."""

    comparisons: tuple[Comparison, ...] = ()

    @property
    def findings(self) -> tuple[Comparison, ...]:
        """The comparisons."""
        return self.comparisons

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {**super().to_dict(), "comparisons": [one.to_dict() for one in self.comparisons]}
