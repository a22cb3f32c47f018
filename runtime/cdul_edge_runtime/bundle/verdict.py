"""A figure measured on some pictures, with its interval, held against a limit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "unsure", "broken"]
Interval = tuple[float, float]

UNSURE = "not enough pictures to tell"


@dataclass(frozen=True)
class Estimate:
    """What pictures say about a figure of which less is better, such as points of mAP lost.

    Attributes:
        value: measured on the pictures; NaN where the scores are.
        low: lower end of its 95 % confidence interval. It equals `value` where the figure is exact,
            or comes from a record that was written before intervals were kept.
        high: upper end, likewise.
        pictures: how many it was measured on.
    """

    value: float
    low: float
    high: float
    pictures: int

    @classmethod
    def of(cls, value: float, interval: Interval | None, pictures: int) -> Estimate:
        """`value` with its interval; None makes it exact."""
        low, high = interval or (value, value)
        return cls(value, low, high, pictures)

    @property
    def exact(self) -> Estimate:
        """The figure itself, without an interval: for a limit that allows nothing at all."""
        return Estimate(self.value, self.value, self.value, self.pictures)

    def judge(self, limit: float) -> Verdict:
        """Whether the figure is within the limit.

        Returns:
            "ok" where the whole interval is within the limit, "broken" where all of it exceeds the
            limit or the figure is NaN, "unsure" where the interval holds the limit.
        """
        if math.isnan(self.value) or self.low > limit:
            return "broken"
        return "ok" if self.high <= limit else "unsure"

    def pictures_needed(self, limit: float) -> int | None:
        """About how many pictures would tell on which side of the limit the figure is.

        The interval has to shrink to the gap between figure and limit. It does so with the square
        root of the number of pictures; above a rate of 0, with that number itself.

        Returns:
            Rounded up to two digits; None where the figure lies on the limit itself.
        """
        gap = abs(self.value - limit)
        half = self.high - self.value if self.value <= limit else self.value - self.low
        if gap < 1e-9:
            return None
        shrinks = 1 if self.value == 0 and self.low == 0 else 2
        needed = max(self.pictures * (half / gap) ** shrinks, self.pictures + 1.0)
        step = int(10 ** max(math.floor(math.log10(needed)) - 1, 0))
        return math.ceil(needed / step) * step


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several: "broken" before "unsure" before "ok"; "ok" for none."""
    found = set(verdicts)
    return "broken" if "broken" in found else "unsure" if "unsure" in found else "ok"


def say_needed(needed: int | None) -> str:
    """How many pictures would tell, in words."""
    return "the figure lies on the limit" if needed is None else f"about {needed:,} would tell"
