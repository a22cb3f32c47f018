"""Words that processes leave for one another; here they are threads with a store of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TypeVar

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch._C._distributed_c10d import HashStore

from cdul_edge.launcher import Launch
from cdul_edge.training import TrainConfig
from cdul_edge.training.data.dataset import Pictures, StoredPictures, locate_pictures, open_pictures
from cdul_edge.training.optimization import choose_rank_device
from cdul_edge.training.ranks import Ranks
from cdul_edge.training.ranks.meeting import agree_on_session, open_ranks
from cdul_edge.training.request import CacheKind, DataOptions, TrainRequest
from cdul_edge.training.task import open_task
from cdul_edge.training.whole_batch import SharedNetwork
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning, ToldElsewhereError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.training.conftest import Squares

Answer = TypeVar("Answer")
# Three processes on two machines.
LAUNCHES = (Launch(0, 3, 0, 2), Launch(1, 3, 1, 2), Launch(2, 3, 0, 1))


def on_every_rank(work: Callable[[Ranks], Answer]) -> list[Answer]:
    """What each rank's work gives."""
    store = HashStore()
    every = [Ranks(one.rank, one.count, launch=one, store=store) for one in LAUNCHES]
    with ThreadPoolExecutor(len(every)) as threads:
        return list(threads.map(work, every))


def test_who_is_started_again_takes_no_word_of_those_that_were_lost() -> None:
    store = HashStore()
    sessions: list[str] = []
    for _ in range(2):  # the second time, the first one's words are all there
        with ThreadPoolExecutor(len(LAUNCHES)) as threads:
            names = set(threads.map(lambda launch: agree_on_session(store, launch), LAUNCHES))
        assert len(names) == 1
        sessions += names
    assert sessions[0] != sessions[1]


def test_what_a_machine_needs_is_made_once_on_each() -> None:
    made: list[int] = []

    def make(ranks: Ranks) -> str:
        made.append(ranks.number)
        return f"of {ranks.number}"

    told = on_every_rank(lambda ranks: ranks.ask_leader(lambda: make(ranks)))
    assert told == ["of 0", "of 0", "of 2"]
    assert sorted(made) == [0, 2]


def test_who_waits_for_a_process_that_fails_ends_without_a_word() -> None:
    store, failed = HashStore(), Event()
    waiting = Ranks(1, 3, launch=LAUNCHES[1], store=store)

    def wait(wanted: Callable[[], object]) -> None:
        failed.wait(10)
        with pytest.raises(ToldElsewhereError):
            wanted()

    with ThreadPoolExecutor(2) as threads:
        ends = [
            threads.submit(wait, waiting.meet),
            threads.submit(wait, lambda: waiting.ask_leader(str)),
        ]
        store.add("failed", 1)
        failed.set()
        for end in ends:
            end.result()


@pytest.mark.parametrize(("rows", "parts"), [(7, [3, 2, 2]), (3, [1, 1, 1]), (2, [1, 1, 0])])
def test_every_row_belongs_to_one_rank(rows: int, parts: list[int]) -> None:
    numbers = torch.arange(rows)
    shares = [Ranks(rank, 3).share(numbers) for rank in range(3)]
    assert [len(share) for share in shares] == parts
    assert torch.equal(torch.cat(shares), numbers)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_the_processes_of_a_machine_share_decoded_pictures(
    squares: Squares, tmp_path: Path, cache: CacheKind
) -> None:
    located = locate_pictures(squares.root / "train", ("03.png", "07.png"))
    preprocess, options = Preprocess(32, 32, "squash"), DataOptions(cache=cache)
    read: list[int] = []

    def look(ranks: Ranks) -> torch.Tensor:
        opened = open_pictures(
            located, preprocess, options, scratch=tmp_path / "run", remedy="", ranks=ranks,
            tick=lambda count: read.append(ranks.number),
        )  # fmt: skip
        assert isinstance(opened, StoredPictures) == (cache != "none")
        (found,) = opened.batches([torch.tensor([1, 0])])
        return found

    one, two, three = on_every_rank(look)
    assert torch.equal(one, two)
    assert torch.equal(one, three)
    assert sorted(read) == ([] if cache == "none" else [0, 0, 2, 2])
    files = [path.suffix for path in tmp_path.rglob("*") if path.is_file()]
    assert files == ([".uint8"] if cache == "disk" else [])


@pytest.mark.skipif(sys.platform != "linux", reason="open files are found in /proc")
def test_memory_that_processes_share_is_held_by_nothing_but_their_pictures(
    squares: Squares, tmp_path: Path
) -> None:
    located = locate_pictures(squares.root / "train", ("03.png", "07.png"))
    preprocess, options = Preprocess(32, 32, "squash"), DataOptions(cache="memory")

    def look(ranks: Ranks) -> Pictures:
        return open_pictures(located, preprocess, options, scratch=tmp_path, remedy="", ranks=ranks)

    opened = on_every_rank(look)
    files = list(Path("/proc/self/fd").iterdir())
    kept = [file for file in files if file.exists() or file.is_symlink()]
    assert not [file for file in kept if "cdul-edge pictures" in str(file.readlink())]
    (found,) = opened[2].batches([torch.tensor([0, 1])])
    assert found.float().std() > 0


def test_a_process_that_has_a_group_already_is_told_so() -> None:
    dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    try:
        with (
            pytest.raises(CdulEdgeError, match="this process has a group of torch"),
            open_ranks(LAUNCHES[0], torch.device("cpu")),
        ):
            pass
    finally:
        dist.destroy_process_group()


def test_batches_too_small_to_be_shared_are_refused() -> None:
    network = SharedNetwork(nn.Linear(1, 1), Ranks(0, 3))
    network.check_batches(6)
    with pytest.raises(CdulEdgeError, match="batches of 5 pictures cannot be shared by 3"):
        network.check_batches(5)


def test_batch_norms_of_shares_are_told_of_unless_they_stand_still() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 1, 1))
    shared = SharedNetwork(network, Ranks(0, 2))
    with pytest.warns(CdulEdgeWarning, match="batch norms take their statistics from each"):
        shared.warn_of_norms()
    network[0].eval()
    SharedNetwork(network, Ranks(0, 2)).warn_of_norms()  # a warning would be an error


@pytest.mark.parametrize(
    ("device", "gpus", "launch", "said"),
    [
        ("cuda", 2, Launch(0, 4, 0, 4), "4 processes on a machine with 2 GPU"),
        ("cuda:1", 2, Launch(0, 2, 0, 2), "is one GPU for 2 processes"),
    ],
)
def test_every_process_of_a_machine_has_a_gpu_of_its_own(
    device: str, gpus: int, launch: Launch, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr("cdul_edge.training.optimization.choose_device", torch.device)
    with pytest.raises(CdulEdgeError, match=said):
        choose_rank_device(device, launch)
    assert choose_rank_device("cuda", Launch(3, 4, 1, 2)) == torch.device("cuda", 1)
    assert choose_rank_device("cuda:1", Launch()) == torch.device("cuda", 1)


def test_settings_of_one_process_draw_other_numbers_on_each_rank() -> None:
    seeds = {
        Ranks(rank, 3).seed(TrainConfig().seed, epoch) for rank in range(3) for epoch in (1, 2)
    }
    assert len(seeds) == 6


class Spare(nn.Module):
    """A layer that answers, and one that may be left out of it."""

    def __init__(self, *, leave_out: bool) -> None:
        super().__init__()
        self.used, self.spare = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)
        self.leave_out = leave_out

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.used(images)
        return answer if self.leave_out else answer + self.spare(images)


def test_parameters_that_no_answer_uses_are_found_before_ranks_wait_for_them() -> None:
    assert SharedNetwork(Spare(leave_out=True), Ranks(0, 2)).leaves_some_out((3, 4, 4))
    network = Spare(leave_out=False)
    network.spare.eval()
    assert not SharedNetwork(network, Ranks(0, 2)).leaves_some_out((3, 4, 4))
    assert (network.training, network.used.training, network.spare.training) == (True, True, False)


class OtherLabels(Ranks):
    """Ranks whose second one was given other labels."""

    def compare(self, value: dict[str, str]) -> list[dict[str, str]]:  # type: ignore[override]
        return [value, {**value, "labels": "ffff0000"}]


def test_machines_with_other_labels_are_told_so(squares: Squares, tmp_path: Path) -> None:
    request = TrainRequest(squares.labels, tmp_path / "run", TrainConfig())
    with pytest.raises(CdulEdgeError, match="process 1 of 2 and process 0 differ in labels"):
        open_task(request, SilentConsole(), torch.device("cpu"), OtherLabels(0, 2))
