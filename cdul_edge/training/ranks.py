"""The processes that share a training run, as its loop and its methods see them.

Every rank draws the order, the augmentation, and the random choices of the whole batch with the
same generator, and keeps its share of the rows: what is computed does not depend on how many ranks
there are. What a method knows of the whole batch it asks its ranks for. Every rank must ask in the
same order: an answer waits for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

# How long a rank waits for another in one exchange: a process that died is noticed at once, one
# that hangs, or a network that swallows, after this.
PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Ranks:
    """This process and the others of a run.

    Attributes:
        number: Which one this is, from 0.
        count: How many there are; 1 exchanges nothing.
    """

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes files and speaks."""
        return self.number == 0

    def share(self, rows: Tensor) -> Tensor:
        """This rank's contiguous part of (B, ...) rows; parts differ by one row at most."""
        return rows.tensor_split(self.count)[self.number]

    def all_reduce(self, values: Tensor) -> Tensor:
        """The sum of all ranks' values of one shape: the same tensor everywhere, without a graph.

        `values` stays as it is.
        """
        total = values.detach().clone()
        if self.count > 1:
            dist.all_reduce(total)
        return total

    def gather_rows(self, rows: Tensor, indices: Tensor) -> Tensor:
        """All ranks' rows of a batch, in its order: the same everywhere, without a graph.

        Args:
            rows: (b, ...) of this rank's share, on any device.
            indices: (B,) the whole batch, which all ranks share.

        Returns:
            (B, ...) on the device of `rows`.
        """
        own = rows.detach()
        if self.count == 1:
            return own
        sizes = [len(part) for part in indices.tensor_split(self.count)]
        # One exchange of equal parts: a rank with a row less fills it up.
        padded = own.new_zeros((sizes[0], *own.shape[1:]))
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


# One process that shares with nobody.
ALONE = Ranks()
