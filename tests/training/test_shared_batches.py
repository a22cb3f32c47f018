"""Several ranks share every batch, and end as one process does, whatever the method."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from benchmarks.scale.rank_runs import CASES, Case, load, run_all, start
from benchmarks.scale.ranks import COUNTS, compare, run_ranks
from cdul_edge.training.agreement import agree
from cdul_edge.training.config import METHODS, MethodName
from cdul_edge.training.methods import AnyMethod
from cdul_edge.training.ranks import ALONE, Ranks
from cdul_edge.training.whole_batch import answer_whole
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, take
from tests.training.test_every_method import EAGER, draw, make

Told = TypeVar("Told")
Found = TypeVar("Found")
PICTURES, CLASSES = 11, 4
every_method = pytest.mark.parametrize("name", METHODS)


class Threads(Ranks):
    """Ranks that are threads of this process, and meet at a barrier."""

    def __init__(self, number: int, parts: list[Any], barrier: Barrier) -> None:
        super().__init__(number, len(parts))
        self.parts, self.barrier = parts, barrier

    def gather_rows(self, rows: Tensor, count: int) -> Tensor:
        joined = torch.cat(self.exchange(rows.detach()))
        assert len(joined) == count
        return joined

    def follow(self, values: Tensor) -> Tensor:
        return values.copy_(self.exchange(values.clone())[0])

    def tell(self, value: Told) -> Told:
        told: Told = self.exchange(value)[0]
        return told

    def exchange(self, value: object) -> list[Any]:
        """Every rank's value."""
        self.parts[self.number] = value
        self.barrier.wait()
        every = list(self.parts)
        self.barrier.wait()
        return every


def on_ranks(count: int, work: Callable[[Ranks], Found]) -> list[Found]:
    """What each of so many ranks finds, in threads."""
    parts: list[Any] = [None] * count
    barrier = Barrier(count, timeout=60)
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(work, [Threads(n, parts, barrier) for n in range(count)]))


class OneWeight:
    """A "network" that weighs a picture's mean: pictures (B, C, 1, 1) to logits (B, C)."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks, self.weight = ranks, torch.ones(CLASSES, requires_grad=True)

    def __call__(self, pictures: Tensor) -> Tensor:
        return answer_whole(lambda own: own.mean(dim=(2, 3)) * self.weight, pictures, self.ranks)


def learn(name: MethodName, ranks: Ranks, *, alike: bool = False) -> tuple[list[Tensor], AnyMethod]:
    """Three epochs of batches of 6 and 5 pictures; the gradient of each step, and the method.

    `alike`: the network answers all pictures and classes with the same.
    """
    method = make(name, torch.sigmoid(draw(PICTURES, CLASSES)), **EAGER.get(name, {}))
    network = OneWeight(ranks)
    gradients: list[Tensor] = []
    for epoch in (1, 2, 3):
        seen = draw(PICTURES, CLASSES, seed=epoch)
        seen = torch.full_like(seen, 0.5) if alike else seen
        for batch in torch.arange(PICTURES).tensor_split(2):
            pictures = seen[batch][:, :, None, None]
            plain = take(seen[batch], batch, epoch=epoch, seed=epoch)
            step = replace(plain, logits=network(pictures), network=network)
            gradients += torch.autograd.grad(method.loss(step), network.weight)
        method.after_epoch(epoch, Ended(seen))
    return gradients, method


def as_bytes(method: AnyMethod) -> bytes:
    """Labels and state, to compare to the bit."""
    file = io.BytesIO()
    torch.save({**method.state_dict(), "targets": method.targets.clone()}, file)
    return file.getvalue()


@every_method
@pytest.mark.parametrize("count", [2, 3])
def test_gradients_of_all_ranks_add_up_to_those_of_one_process(
    name: MethodName, count: int
) -> None:
    every = on_ranks(count, partial(learn, name))
    expected, alone = learn(name, ALONE)
    for place, gradient in enumerate(expected):
        total = torch.stack([gradients[place] for gradients, _ in every]).sum(dim=0)
        torch.testing.assert_close(total, gradient, rtol=1e-4, atol=1e-6)
    assert {as_bytes(method) for _, method in every} == {as_bytes(alone)}


@pytest.mark.parametrize("name", ["ll-r", "ll-ct", "ll-cp", "em-apl", "partial-bce"])
def test_ranks_choose_the_same_of_what_is_equal(name: MethodName) -> None:
    every = on_ranks(3, partial(learn, name, alike=True))
    expected, alone = learn(name, ALONE, alike=True)
    for place, gradient in enumerate(expected):
        total = torch.stack([gradients[place] for gradients, _ in every]).sum(dim=0)
        torch.testing.assert_close(total, gradient, rtol=1e-4, atol=1e-6)
    assert {as_bytes(method) for _, method in every} == {as_bytes(alone)}


def test_batches_that_leave_a_rank_less_than_two_pictures_are_refused() -> None:
    few = Case("distill", changes={"batch_size": 6})  # 97 pictures: batches of 6 and of 5
    with pytest.raises(CdulEdgeError, match=r"batches of 5 pictures .* 3 processes"):
        start(few, Ranks(2, 3))
    assert start(few, Ranks(1, 2)).steps_per_epoch == 17


@every_method
def test_ranks_go_on_from_what_the_first_one_made_of_an_epoch(name: MethodName) -> None:
    def end_alike(ranks: Ranks) -> tuple[bytes, bytes]:
        """One rank's logits are 1 % larger than the other's, as no processor rounds."""
        method = make(name, torch.sigmoid(draw(PICTURES, CLASSES)), **EAGER.get(name, {}))
        seen = draw(PICTURES, CLASSES, seed=1) * (1 + 0.01 * ranks.number)
        for epoch in (1, 2):
            method.loss(take(seen, epoch=epoch))
            method.after_epoch(epoch, Ended(seen))
        before = as_bytes(method)
        agree(method, ranks)
        return before, as_bytes(method)

    (first, kept), (other, agreed) = on_ranks(2, end_alike)
    assert agreed == kept == first
    if name in {"cdul", "plmcl", "g2netpl", "role", "em-apl"}:
        assert other != first


@every_method
def test_only_a_method_that_says_so_reads_pictures(name: MethodName) -> None:
    method = make(name, torch.sigmoid(draw(8, CLASSES)), **EAGER.get(name, {}))
    touched: list[str] = []

    def note(what: str, answer: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def noted(*given: Tensor) -> Tensor:
            touched.append(what)
            return answer(*given)

        return noted

    for epoch in (1, 2, 3):
        plain = take(draw(8, CLASSES, seed=epoch), epoch=epoch)
        step = replace(
            plain,
            images=plain.images if method.reads_pictures else torch.empty(0),
            network=note("network", plain.network),
            another_view=note("another_view", plain.another_view),
        )
        assert method.loss(step).isfinite()
        method.after_epoch(epoch, Ended(draw(8, CLASSES)))
    assert bool(touched) == method.reads_pictures


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case run by one process, by two ranks and by three, under torchrun."""
    folder = tmp_path_factory.mktemp("ranks")
    run_all(list(CASES), ALONE, folder)
    for count in COUNTS:
        run_ranks(count, list(CASES), folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", CASES)
def test_ranks_under_torchrun_end_as_one_process_does(
    finished: Path, name: str, count: int
) -> None:
    found, moved = compare(finished, name, count), load(finished, name).moved
    assert moved >= 0.05
    assert found["weights"] <= 1e-6
    assert found["labels"] <= 1e-6
    assert found["resumed"] <= 1e-6
    assert found["losses"] <= 1e-5
    assert found["labels_apart"] == 0


def test_every_method_is_tried_under_torchrun() -> None:
    assert {case.method for case in CASES.values()} == set(METHODS)
