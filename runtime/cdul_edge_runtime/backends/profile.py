"""Batch sizes that a compiled engine takes, whoever compiles it."""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Profile:
    """Batch sizes that an engine takes: fewest, the one it is tuned for, and most."""

    min: int
    best: int
    max: int

    def __post_init__(self) -> None:
        if not 1 <= self.min <= self.best <= self.max:
            raise CdulEdgeError(
                f"batch sizes min {self.min}, best {self.best}, max {self.max}: "
                "expected 1 <= min <= best <= max"
            )
