"""One cell of a study, and which cells a study has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath

from cdul_edge.study.variants import BASELINE, DEFAULT_STRATEGY, NOTHING_OBSERVED


@dataclass(frozen=True, order=True)
class Cell:
    """One run: how its pictures are labeled, what people saw of them, and how it learns."""

    strategy: str
    method: str
    observed: str
    seed: int

    @property
    def row(self) -> Row:
        """The cell without its seed: one row of a table."""
        return self.strategy, self.method, self.observed

    @property
    def path(self) -> PurePosixPath:
        """Where its files lie, relative to the study."""
        return PurePosixPath(self.strategy, self.method, self.observed, f"seed-{self.seed}")

    @property
    def title(self) -> str:
        """In words, for a line of talk."""
        observed = "" if self.observed == NOTHING_OBSERVED else f", {self.observed} observed"
        return f"{self.method} on {self.strategy} labels{observed}, seed {self.seed}"

    def to_dict(self) -> dict[str, str | int]:
        """Plain values."""
        return dict(vars(self))


Row = tuple[str, str, str]


def select_cells(
    strategies: Sequence[str],
    methods: Sequence[str],
    observed: Sequence[str],
    seeds: Sequence[int],
    *,
    observed_methods: Sequence[str] | None = None,
    cross: bool = False,
) -> list[Cell]:
    """Every cell once, seed by seed, so that the first seed's table is whole first.

    Strategies are compared under one method, and methods on one strategy: a full cross product
    costs as many runs as their product.

    Args:
        observed_methods: those that also learn with observed labels; None is all of `methods`.
        cross: every strategy with every method and level.
    """
    if cross:
        rows: list[Row] = list(product(strategies, methods, observed))
    else:
        strategy = DEFAULT_STRATEGY if DEFAULT_STRATEGY in strategies else strategies[0]
        method = BASELINE if BASELINE in methods else methods[0]
        partial = methods if observed_methods is None else observed_methods
        rows = [
            *((strategy, name, NOTHING_OBSERVED) for name in methods),
            *((name, method, NOTHING_OBSERVED) for name in strategies),
            *(
                (strategy, name, level)
                for name in methods
                for level in observed
                if name in partial and level != NOTHING_OBSERVED
            ),
        ]
        if NOTHING_OBSERVED not in observed:
            rows = [row for row in rows if row[2] != NOTHING_OBSERVED]
    return [Cell(*row, seed) for seed in seeds for row in dict.fromkeys(rows)]
