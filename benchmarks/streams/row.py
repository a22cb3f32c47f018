"""How a row of the figures of streams is measured."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass

from benchmarks.measured_rows import row as measured_rows
from benchmarks.measured_rows.words import seconds

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
