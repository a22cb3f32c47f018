"""The processes that share a training run, as its loop sees them.

Every rank draws the order, the augmentation, and the random choices of the whole batch with the
same generator, and computes its share of the rows: what comes out does not depend on how many ranks
there are. Every rank must ask for the same things in the same order: an answer waits for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count as count_up
from typing import TYPE_CHECKING, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from cdul_edge.launcher import Launch
from cdul_edge.training.ranks.apart import Apart, as_bytes, take_apart
from cdul_edge_runtime.errors import ToldElsewhereError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store  # some builds of PyTorch have none

Told = TypeVar("Told")
# Seconds between two looks at whether the process that is waited for is done.
_PAUSE_S = 0.1
FAILED = "failed"


class Ranks:
    """This process and the others of a run.

    Args:
        number: which one this is, from 0.
        count: how many there are; 1 exchanges nothing.
        launch: how they were started; None is on one machine.
        store: where they leave words for one another, to wait without a limit of time.
    """

    def __init__(
        self,
        number: int = 0,
        count: int = 1,
        *,
        launch: Launch | None = None,
        store: Store | None = None,
    ) -> None:
        self.number, self.count = number, count
        self.launch = launch or Launch(number, count, number, count)
        self._store, self._words = store, count_up()

    @property
    def first(self) -> bool:
        """Whether this one writes files and speaks."""
        return self.number == 0

    @property
    def leads(self) -> bool:
        """Whether this one prepares what the processes of its machine share."""
        return self.launch.local_rank == 0

    @property
    def on_first_machine(self) -> bool:
        """Whether this is the machine of the first rank, which holds the run's folder."""
        return self.number == self.launch.local_rank

    def bounds(self, rows: int, number: int | None = None) -> slice:
        """This rank's part of so many rows, or another's; parts differ by one row at most."""
        rank = self.number if number is None else number
        each, more = divmod(rows, self.count)
        start = rank * each + min(rank, more)
        return slice(start, start + each + (rank < more))

    def seed(self, seed: int, epoch: int) -> int:
        """A seed of this rank and epoch alone."""
        return ((seed * 1_000_003 + epoch) * 1_000_003 + self.number) % 2**63

    def share(self, rows: Tensor) -> Tensor:
        """This rank's contiguous part of (B, ...) rows."""
        return rows[self.bounds(len(rows))]

    def gather_rows(self, rows: Tensor, count: int) -> Tensor:
        """All ranks' rows of a batch, in its order: the same everywhere, without a graph.

        Args:
            rows: (b, ...) of this rank's share, on any device.
            count: B, of the whole batch, which all ranks share.

        Returns:
            (B, ...) on the device of `rows`.
        """
        own = rows.detach()
        if self.count == 1:
            return own
        sizes = [len(range(count)[self.bounds(count, rank)]) for rank in range(self.count)]
        # One exchange of equal parts: a rank with a row less fills it up.
        padded = own.new_zeros((sizes[0], *own.shape[1:]))
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    def gather_batches(self, own: Tensor | None, sizes: list[int]) -> Tensor:
        """The rows of all batches, of which each rank has its share; nothing lies in memory twice.

        Args:
            own: (b, C) of this rank's batches, on the CPU; None where it has none.
            sizes: rows of each batch, over all ranks; the first rank always has one.
        """
        if self.count == 1:
            assert own is not None, "there are no rows"
            return own
        columns = self.tell(0 if own is None else own.shape[1])
        whole = torch.empty(sum(sizes), columns)
        rows = [sum(sizes[self.bounds(len(sizes), rank)]) for rank in range(self.count)]
        for rank, part in enumerate(torch.split(whole, rows)):
            if rank == self.number and own is not None:
                part.copy_(own)
            if len(part):
                dist.broadcast(part, src=rank)
        return whole

    def average(self, values: list[Tensor]) -> None:
        """Put in place of each tensor its mean over the ranks, where it is of floats."""
        if self.count == 1:
            return
        for value in values:
            if value.is_floating_point():
                dist.all_reduce(value)
                value /= self.count

    def add(self, values: Tensor) -> Tensor:
        """The sum of all ranks' values of one shape, in place."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def tell(self, value: Told) -> Told:
        """The first rank's value, on every rank; what the others give is dropped.

        Tensors in it travel on their own, so that none lies in memory twice.
        """
        if self.count == 1:
            return value
        box: list[Apart | None] = [None]
        tensors: list[Tensor] = []
        if self.first:
            box[0], tensors = take_apart(value)
        dist.broadcast_object_list(box, src=0)
        told = box[0]
        assert told is not None
        tensors = tensors if self.first else told.make_room()
        for tensor in tensors:
            if tensor.numel():
                dist.broadcast(as_bytes(tensor), src=0)
        return value if self.first else cast(Told, told.put_together(tensors))

    def follow(self, values: Tensor) -> Tensor:
        """The first rank's values, which take the place of these."""
        if self.count > 1:
            dist.broadcast(values, src=0)
        return values

    def lead(self, make: Callable[[], Told]) -> Told:
        """What `make` gives to the first rank, on every rank, however long it takes."""
        made = [make()] if self.first else []
        self.meet()
        return cast(Told, self.tell(made[0] if made else None))

    def in_turn(self, make: Callable[[], Told]) -> Told:
        """What `make` gives to each: first to the rank that leads on its machine, then to others.

        What it downloads or builds on the way is made once.
        """
        made: list[Told] = []

        def lead() -> str:
            made.append(make())
            return ""

        self.ask_leader(lead)
        return made[0] if made else make()

    def compare(self, value: Told) -> list[Told]:
        """Every rank's value, by rank."""
        values = [value] * self.count
        if self.count > 1:
            dist.all_gather_object(values, value)
        return values

    def ask_leader(self, make: Callable[[], str]) -> str:
        """What `make` gives to the rank that leads on this machine; the others wait for it.

        However long it takes: what it makes may be terabytes.
        """
        word = f"word-{next(self._words)}-{self.number - self.launch.local_rank}"
        if self.leads:
            made = make()
            if self._store is not None:
                self._store.set(word, made)
            return made
        assert self._store is not None
        while not self._store.check([word]):
            self._pause()
        return str(self._store.get(word), "utf-8")

    def meet(self) -> None:
        """Wait until every rank is here, however long that takes."""
        if self._store is None:
            return
        word = f"meeting-{next(self._words)}"
        arrived = self._store.add(word, 1)
        while arrived < self.count:
            self._pause()
            arrived = self._store.add(word, 0)

    def _pause(self) -> None:
        """Let some time pass; ends where one who is waited for has failed."""
        assert self._store is not None
        if self._store.check([FAILED]):
            raise ToldElsewhereError
        time.sleep(_PAUSE_S)


# One process that shares with nobody.
ALONE = Ranks()
