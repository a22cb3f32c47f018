"""Members of shards that are no pictures: counted, and said once for each kind."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field

from cdul_edge_runtime.errors import CdulEdgeWarning


@dataclass
class LeftOut:
    """What a source passed over; a kind is said for the first shard that has it.

    Attributes:
        kinds: how many members of each kind the present shard has; "that are links", "'.json'".
        said: kinds that were said of an earlier shard.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    said: set[str] = field(default_factory=set)

    def add(self, kind: str) -> None:
        """Count one."""
        self.kinds[kind] += 1

    def end_shard(self, where: str) -> None:
        """Say what is new, and count from 0 again."""
        new = self.kinds.keys() - self.said
        if new:
            counts = ", ".join(f"{self.kinds[kind]} {kind}" for kind in sorted(new))
            warnings.warn(
                f"{where}: left out {counts}; the same in later shards is not said again",
                CdulEdgeWarning,
                stacklevel=2,
            )
        self.said |= new
        self.kinds.clear()
