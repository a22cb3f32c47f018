"""Several ranks share every batch, and end as one process does, whatever the method."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
import torch
from torch import Tensor

from benchmarks.scale.rank_runs import CASES, load, run_all
from benchmarks.scale.ranks import COUNTS, compare, run_ranks
from cdul_edge.training.config import METHODS, MethodName
from cdul_edge.training.methods import AnyMethod
from cdul_edge.training.ranks import ALONE, Ranks
from cdul_edge.training.whole_batch import answer_whole
from tests.fakes.method_inputs import Ended, take
from tests.training.test_every_method import EAGER, draw, make

PICTURES, CLASSES = 11, 4
every_method = pytest.mark.parametrize("name", METHODS)


class Threads(Ranks):
    """Ranks that are threads of this process, and meet at a barrier."""

    parts: list[Tensor]
    barrier: Barrier

    @classmethod
    def start(cls, number: int, parts: list[Tensor], barrier: Barrier) -> Threads:
        ranks = cls(number, len(parts))
        vars(ranks).update(parts=parts, barrier=barrier)
        return ranks

    def gather_rows(self, rows: Tensor, indices: Tensor) -> Tensor:
        self.parts[self.number] = rows.detach()
        self.barrier.wait()
        joined = torch.cat(self.parts)
        self.barrier.wait()
        assert len(joined) == len(indices)
        return joined


class OneWeight:
    """A "network" that weighs a picture's mean: pictures (B, C, 1, 1) to logits (B, C)."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks, self.weight = ranks, torch.ones(CLASSES, requires_grad=True)

    def __call__(self, pictures: Tensor) -> Tensor:
        return answer_whole(lambda own: own.mean(dim=(2, 3)) * self.weight, pictures, self.ranks)


def learn(name: MethodName, ranks: Ranks) -> tuple[list[Tensor], AnyMethod]:
    """Three epochs of batches of 6 and 5 pictures; the gradient of each step, and the method."""
    method = make(name, torch.sigmoid(draw(PICTURES, CLASSES)), **EAGER.get(name, {}))
    network = OneWeight(ranks)
    gradients: list[Tensor] = []
    for epoch in (1, 2, 3):
        seen = draw(PICTURES, CLASSES, seed=epoch)
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
    barrier = Barrier(count, timeout=60)
    parts = [torch.empty(0)] * count
    with ThreadPoolExecutor(count) as threads:
        work = [threads.submit(learn, name, Threads.start(n, parts, barrier)) for n in range(count)]
        every = [one.result() for one in work]
    expected, alone = learn(name, ALONE)
    for place, gradient in enumerate(expected):
        total = torch.stack([gradients[place] for gradients, _ in every]).sum(dim=0)
        torch.testing.assert_close(total, gradient, rtol=1e-4, atol=1e-6)
    assert {as_bytes(method) for _, method in every} == {as_bytes(alone)}


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
