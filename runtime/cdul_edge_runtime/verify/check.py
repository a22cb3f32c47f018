"""A figure that `verify` holds against its limit."""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Limits
from cdul_edge_runtime.bundle.verdict import Estimate, Interval, Verdict
from cdul_edge_runtime.host.json_record import finite_or_none

# What BF16 is held to before `calibrate` measured it: the default budget of that command, and a
# score error that a network of eight bits' mantissa stays below.
UNMEASURED = Limits(max_map_drop=0.5, max_flip_rate=0.02, max_score_error=0.05)


@dataclass(frozen=True)
class Check:
    """One figure with its limit; NaN breaks any.

    Attributes:
        name: what was measured.
        value: the figure.
        limit: the most that it may be.
        interval: its 95 % confidence interval; None where the figure is exact.
        pictures: how many an interval comes from.
        guard: it can only break: that the figure is within the limit is told by something else.
    """

    name: str
    value: float
    limit: float
    interval: Interval | None = None
    pictures: int = 0
    guard: bool = False

    @property
    def verdict(self) -> Verdict:
        """What the figure and its interval say of the limit."""
        verdict = self._estimate.judge(self.limit)
        return "ok" if self.guard and verdict == "unsure" else verdict

    @property
    def passed(self) -> bool:
        """Whether the limit is not broken, as far as the pictures tell."""
        return self.verdict != "broken"

    @property
    def pictures_needed(self) -> int | None:
        """About how many pictures would tell; None where these do, or no number would."""
        if self.verdict != "unsure":
            return None
        return self._estimate.pictures_needed(self.limit)

    @property
    def _estimate(self) -> Estimate:
        return Estimate.of(self.value, self.interval, self.pictures)

    def to_dict(self) -> dict[str, object]:
        """Plain values; NaN becomes None, which JSON can hold."""
        plain: dict[str, object] = {"name": self.name, "value": finite_or_none(self.value)}
        plain |= {"limit": self.limit, "passed": self.passed, "verdict": self.verdict}
        if self.interval is not None:
            plain |= {"interval": list(self.interval), "pictures": self.pictures}
        if self.verdict == "unsure":
            plain["pictures_needed"] = self.pictures_needed
        return plain


@dataclass(frozen=True)
class RowLimits:
    """What a row is held to.

    Attributes:
        score_error: largest absolute score difference to PyTorch.
        flip_rate: share of decisions that may clearly differ, in [0, 1].
        map_drop: points of mAP on pictures; None where the score error is limit enough.
        parity: FP32's limit: scores that differ by no more than it are the same.
    """

    score_error: float
    flip_rate: float
    map_drop: float | None
    parity: float

    @classmethod
    def of(cls, bundle: Bundle, precision: Precision) -> RowLimits:
        """FP32's are the manifest's, those of the others were set when they were measured."""
        parity = bundle.manifest.parity.limit
        if precision is Precision.FP32:
            return cls(parity, 0.0, None, parity)
        known = precision.has_file or bundle.has_record(precision)
        made = bundle.record(precision).limits if known else UNMEASURED
        return cls(made.max_score_error, made.max_flip_rate, made.max_map_drop, parity)


def check_flips(name: str, flips: Estimate, limits: RowLimits, *, guard: bool = False) -> Check:
    """Where none may flip, one that does breaks the limit and none holds it, on any number."""
    value, limit = 100 * flips.value, 100 * limits.flip_rate
    interval = (100 * flips.low, 100 * flips.high) if limit else None
    return Check(name, value, limit, interval, flips.pictures, guard)
