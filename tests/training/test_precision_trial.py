"""`--precision auto` on a CPU: a few steps of each format decide, and leave nothing behind."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cdul_edge.training import TrainConfig, TrainRequest, train
from cdul_edge.training import optimization as numbers
from cdul_edge.training.precision_trial import PrecisionTrial, try_precisions
from cdul_edge.training.run_folder import RunConfig
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.training.test_train import cut_after, results


@pytest.mark.parametrize(
    ("fp32_s", "bf16_s", "choice"),
    [
        (2.0, 1.0, "bf16"),
        (1.06, 1.0, "bf16"),
        (1.04, 1.0, "fp32"),  # less than 5 % may be chance
        (1.0, 1.0, "fp32"),
        (1.0, 4.0, "fp32"),
        (1.0, None, "fp32"),
    ],
)
def test_bf16_is_chosen_where_it_is_at_least_five_percent_faster(
    fp32_s: float, bf16_s: float | None, choice: str
) -> None:
    assert PrecisionTrial(fp32_s, bf16_s).choice == choice


def test_the_line_has_the_figures_and_the_choice() -> None:
    assert PrecisionTrial(0.25, 0.1).describe() == (
        "precision auto: bf16; a step took fp32 250.0 ms, bf16 100.0 ms"
    )
    assert PrecisionTrial(0.25, None).describe() == (
        "precision auto: fp32; this network cannot compute in bf16"
    )


class Network(nn.Sequential):
    """Everything that a step may change: statistics, dropout, weights."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 2),
        )  # fmt: skip


PREPROCESS = Preprocess(8, 8)


def written(*seconds: float) -> Callable[[], float]:
    """A clock by which the timed steps take these, over and over."""

    def stamps() -> Iterator[float]:
        now = 0.0
        for taken in chain.from_iterable(repeat(seconds)):
            yield now
            now += taken
            yield now

    return stamps().__next__


def test_the_fastest_step_of_each_format_counts() -> None:
    # fp32 and bf16 in turn; what another program slowed down does not count.
    clock = written(0.5, 7.0, 9.0, 0.25, 8.0, 0.75)
    found = try_precisions(Network(), PREPROCESS, TrainConfig(), pictures=8, clock=clock)
    assert (found.fp32_s, found.bf16_s, found.choice) == (0.5, 0.25, "bf16")


def test_a_trial_ends_after_a_second_or_fifteen_rounds() -> None:
    def count_of(seconds: float) -> int:
        asked = []
        clock = written(seconds)

        def counting() -> float:
            asked.append(1)
            return clock()

        try_precisions(Network(), PREPROCESS, TrainConfig(), pictures=8, clock=counting)
        return len(asked) // 4  # two stamps a step, two steps a round

    assert count_of(30.0) == 1  # a large network has no second
    assert count_of(1.0) == 3  # at least
    assert count_of(0.125) == 4  # 4 x 2 x 0.125 s is a second
    assert count_of(0.0) == 15


def test_a_trial_changes_neither_the_network_nor_any_random_number() -> None:
    network = Network().eval()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    try_precisions(network, PREPROCESS, TrainConfig(weights="none"), pictures=8)
    assert torch.equal(torch.get_rng_state(), state)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not network.training
    assert all(values.grad is None and values.requires_grad for values in network.parameters())


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(192, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(images.flatten(1))
        if logits.dtype is not torch.float32:
            raise RuntimeError("not implemented for 'BFloat16'")
        return logits


def test_a_network_that_cannot_compute_in_bf16_trains_in_fp32() -> None:
    found = try_precisions(Whole(), PREPROCESS, TrainConfig(), pictures=8)
    assert found.bf16_s is None
    assert found.choice == "fp32"


class Heard(SilentConsole):
    """A console whose lines are kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def heard(
    squares: Any, small: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """`heard(out, ...)`: what a run says about its precision, on a CPU that multiplies bf16."""
    monkeypatch.setattr(numbers, "_cpu_multiplies_bf16", lambda: True)

    def run(out: Path, *, trial: bool = True, **settings: Any) -> list[str]:
        console = Heard()
        config = small(network="squeezenet1_1", epochs=2, **settings)  # it has dropout
        request = TrainRequest(squares.labels, out, config, device="cpu", try_precision=trial)
        train(request, console)
        return [line for line in console.lines if line.startswith("precision auto")]

    return run


def test_a_run_is_the_one_whose_precision_was_asked_for_by_name(
    heard: Callable[..., list[str]], tmp_path: Path
) -> None:
    (line,) = heard(tmp_path / "auto", precision="auto")
    chosen = RunConfig.read(tmp_path / "auto").settings.precision
    assert line.startswith(f"precision auto: {chosen};")
    assert heard(tmp_path / "named", precision=chosen) == []
    assert results(tmp_path / "auto") == results(tmp_path / "named")
    assert heard(tmp_path / "auto", precision="auto") == []  # it is finished, and reported


@pytest.mark.parametrize("begun", ["fp32", "bf16"])
def test_a_run_that_was_begun_keeps_its_precision(
    heard: Callable[..., list[str]], tmp_path: Path, begun: str
) -> None:
    with pytest.MonkeyPatch.context() as cut:
        cut_after(1, cut)
        with pytest.raises(KeyboardInterrupt):
            heard(tmp_path / "run", precision=begun)
    assert heard(tmp_path / "run", precision="auto") == []
    assert json.loads((tmp_path / "run/config.json").read_text())["settings"]["precision"] == begun
    assert (tmp_path / "run/summary.json").is_file()


def test_runs_that_are_compared_take_what_the_processor_has(
    heard: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert heard(tmp_path / "with", precision="auto", trial=False) == []
    assert RunConfig.read(tmp_path / "with").settings.precision == "bf16"
    monkeypatch.setattr(numbers, "_cpu_multiplies_bf16", lambda: False)
    assert heard(tmp_path / "without", precision="auto") == []
    assert RunConfig.read(tmp_path / "without").settings.precision == "fp32"
