"""Rates, groups and number formats."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.optimization import (
    choose_device,
    make_optimizer,
    rate_factor,
    resolve_precision,
    set_rate,
)
from cdul_edge_runtime.errors import CdulEdgeError


def test_the_rate_rises_over_a_tenth_and_falls_along_a_cosine() -> None:
    config = TrainConfig()
    factors = [rate_factor(step, 100, config) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert 0 < factors[99] < 0.001


def test_a_constant_rate_without_warm_up_is_always_full() -> None:
    config = TrainConfig(schedule="constant", rate_warmup_steps=0)
    assert {rate_factor(step, 10, config) for step in range(10)} == {1.0}


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_the_head_learns_faster_and_biases_do_not_decay(kind: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    config = TrainConfig(
        optimizer=kind,  # type: ignore[arg-type]
        learning_rate=0.1,
        head_rate_multiplier=10,
        weight_decay=0.5,
    )
    optimizer = make_optimizer(network, config)
    found = {
        id(p): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert len(found) == 6
    convolution, norm, _, head = network
    assert found[id(convolution.weight)] == (0.1, 0.5)
    assert found[id(convolution.bias)] == (0.1, 0.0)
    assert found[id(norm.weight)] == (0.1, 0.0)
    assert found[id(head.weight)] == (1.0, 0.5)
    assert found[id(head.bias)] == (1.0, 0.0)
    set_rate(optimizer, 0.5)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == [0.05, 0.5]


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match="device 'cuda:99' cannot be used"):
        choose_device("cuda:99")
    with pytest.raises(CdulEdgeError, match="device 'quantum' cannot be used"):
        choose_device("quantum")
    assert choose_device("cpu").type == "cpu"


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(CdulEdgeError, match="fp16 training needs a GPU"):
        resolve_precision("fp16", torch.device("cpu"))
    assert resolve_precision("auto", torch.device("cpu")) in ("fp32", "bf16")
