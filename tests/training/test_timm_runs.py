"""A run of a timm network: its own input, its checkpoint, and the network that it becomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.network import create_network
from cdul_edge.training.optimization import make_optimizer
from cdul_edge.training.run_folder import RunConfig, load_run
from tests.training.conftest import Train


def test_a_timm_network_learns_is_kept_and_read_back(train: Train, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(run, network="timm:test_resnet", height_px=64, width_px=None, epochs=1)
    settings = RunConfig.read(run).settings
    assert (settings.height_px, settings.width_px) == (64, 160)  # the width that timm trained with
    found = load_run(run)
    assert found.preprocess.mean == (0.5, 0.5, 0.5)
    kept = Checkpoint.read(run).result
    assert all(torch.equal(value, kept[name]) for name, value in found.network.state_dict().items())
    logits = found.network(torch.zeros(2, 3, 64, 160))
    assert logits.shape == (2, 3)
    assert np.isfinite(logits.numpy()).all()


def test_both_heads_of_a_distilled_network_are_new_and_learn_faster(
    small: Callable[..., TrainConfig],
) -> None:
    config = small(network="timm:repvit_m0_9", learning_rate=1e-3, head_rate_multiplier=10.0)
    network, _ = create_network(config, 3)
    fast = [g for g in make_optimizer(network, config).param_groups if g["lr"] == 1e-2]
    shapes = sorted(tuple(p.shape) for group in fast for p in group["params"])
    assert shapes == [(3,), (3,), (3, 384), (3, 384)]
