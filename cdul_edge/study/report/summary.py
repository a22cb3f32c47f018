"""From cells to rows: mean and deviation over the seeds, and gains seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from cdul_edge.study.cells import Row
from cdul_edge.study.outcome import MEASURES, Failed, Finished, Measure, Outcome
from cdul_edge.study.variants import BASELINE


@dataclass(frozen=True)
class Spread:
    """Mean and sample deviation of the values of a few seeds; no deviation for fewer than two."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + ("" if self.deviation is None else f" ± {self.deviation:.1f}")

    def signed(self) -> str:
        """With a sign, and two digits: of differences."""
        return f"{self.mean:+.2f}" + ("" if self.deviation is None else f" ± {self.deviation:.2f}")


@dataclass(frozen=True)
class Summary:
    """One row of the table: a strategy, method and level over its seeds.

    Attributes:
        values: measure to its value by seed; of the finished cells, where it is defined.
        gains: held-out mAP minus that of the baseline with the same labels, level and seed.
        failures: reasons, each once.
        ap: class to its held-out average precision by seed.
    """

    row: Row
    values: dict[Measure, dict[int, float]]
    gains: dict[int, float]
    failures: tuple[str, ...]
    ap: dict[str, dict[int, float]]

    def spread(self, measure: Measure) -> Spread | None:
        """Over the seeds; None where no cell has it."""
        values = list(self.values.get(measure, {}).values())
        return Spread.of(values) if values else None

    def to_dict(self) -> dict[str, object]:
        """Plain values, two digits."""
        strategy, method, observed = self.row
        plain: dict[str, object] = {"strategy": strategy, "method": method, "observed": observed}
        for measure in MEASURES:
            found = self.spread(measure)
            plain[measure] = None if found is None else round(found.mean, 2)
            if found is not None and found.deviation is not None:
                plain[f"{measure}_deviation"] = round(found.deviation, 2)
        plain["gains"] = {str(seed): round(value, 2) for seed, value in self.gains.items()}
        plain["failures"] = list(self.failures)
        return plain


def summarize(outcomes: Sequence[Outcome]) -> list[Summary]:
    """A row for each strategy, method and level, in the order of the cells."""
    rows: dict[Row, list[Outcome]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.cell.row, []).append(outcome)
    heldout = {row: _by_seed(_finished(found), "heldout_map") for row, found in rows.items()}
    return [
        _summarize_row(row, found, heldout[row], heldout.get((row[0], BASELINE, row[2]), {}))
        for row, found in rows.items()
    ]


def differences(better: dict[int, float], worse: dict[int, float]) -> dict[int, float]:
    """Seed by seed, where both have the seed."""
    return {seed: better[seed] - worse[seed] for seed in better if seed in worse}


def _summarize_row(
    row: Row, found: list[Outcome], mine: dict[int, float], baseline: dict[int, float]
) -> Summary:
    done = _finished(found)
    names = list(dict.fromkeys(name for one in done for name in one.ap))
    return Summary(
        row=row,
        values={measure: _by_seed(done, measure) for measure in MEASURES},
        gains={} if row[1] == BASELINE else differences(mine, baseline),
        failures=tuple(dict.fromkeys(one.reason for one in found if isinstance(one, Failed))),
        ap={
            name: {one.cell.seed: value for one in done if (value := one.ap.get(name)) is not None}
            for name in names
        },
    )


def _finished(found: Sequence[Outcome]) -> list[Finished]:
    return [outcome for outcome in found if isinstance(outcome, Finished)]


def _by_seed(done: Sequence[Finished], measure: Measure) -> dict[int, float]:
    values = {one.cell.seed: one.measures[measure] for one in done}
    return {seed: value for seed, value in values.items() if value is not None}
