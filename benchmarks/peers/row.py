"""A row of the comparison: what is measured, and what came out, round by round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from benchmarks.record import median_ratio

Unit = Literal["ms", "s", "pictures/s", "MiB"]


@dataclass(frozen=True)
class Setting:
    """How a row is measured.

    Attributes:
        rounds: turns of each side; their medians count.
        threads: of each side, whatever library it runs.
        work: a folder for exported networks, which rows share.
        quick: tiny networks and few calls, to try the code; the figures mean nothing.
    """

    rounds: int
    threads: int
    work: Path
    quick: bool = False


@dataclass(frozen=True)
class Bar:
    """What is wanted of the ratio, or of our own figure."""

    kind: Literal["at most", "at least"]
    limit: float
    of: Literal["ratio", "ours"] = "ratio"

    def met(self, value: float) -> bool:
        """Whether the unrounded value is within it."""
        return value <= self.limit if self.kind == "at most" else value >= self.limit


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

    def to_dict(self) -> dict[str, object]:
        """Plain values, with what follows from them."""
        return {
            **asdict(self),
            "ours": [_shorten(value) for value in self.ours],
            "theirs": [_shorten(value) for value in self.theirs],
            "median_ours": _shorten(median(self.ours)),
            "median_theirs": _shorten(median(self.theirs)),
            "ratio": _shorten(self.ratio),
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


@dataclass(frozen=True)
class Row:
    """What `--only` names.

    Attributes:
        needs: import names of the peers, with the package that brings each.
        measure: runs in a process of its own.
        prepare: runs in another before it, such as an export; None where nothing is to be done.
    """

    name: str
    title: str
    needs: Mapping[str, str]
    measure: Callable[[Setting], Measured]
    prepare: Callable[[Setting], object] | None = None


def _shorten(value: float) -> float:
    """Four digits: more is noise."""
    return float(f"{value:.4g}")
