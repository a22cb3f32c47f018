"""Rates, groups and number formats."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.local_global import BRANCH, add_global_context
from cdul_edge.training.optimization import (
    begin_epoch,
    choose_device,
    ema_decay,
    load_optimizer,
    make_average,
    make_optimizer,
    make_schedule,
    rate_factor,
    resolve_precision,
    update_average,
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


def rates_of(optimizer: torch.optim.Optimizer, schedule: LambdaLR, steps: int) -> list[list[float]]:
    """The rate of each group in each of the next steps."""
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return found


# Two steps up to 0.1, then (1 + cos(pi k / 4)) / 2 of it for k = 0 to 3; the head's is tenfold.
SIX_STEPS = [0.05, 0.1, 0.1, 0.0853553, 0.05, 0.0146447]


def small_optimizer(config: TrainConfig) -> torch.optim.Optimizer:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 2))
    for values in network.parameters():
        values.grad = torch.zeros_like(values)
    return make_optimizer(network, config)


def test_every_group_follows_the_schedule_at_its_own_rate_and_resumes_where_it_was() -> None:
    config = TrainConfig(
        optimizer="sgd", learning_rate=0.1, rate_warmup_steps=2, head_rate_multiplier=10.0
    )
    optimizer = small_optimizer(config)
    schedule = make_schedule(optimizer, config, 6)
    expected = [[rate, rate, 10 * rate, 10 * rate] for rate in SIX_STEPS]
    first = rates_of(optimizer, schedule, 4)
    saved = optimizer.state_dict()
    assert [*first, *rates_of(optimizer, schedule, 2)] == [
        pytest.approx(rates, rel=1e-5) for rates in expected
    ]
    resumed = small_optimizer(config)
    resumed.load_state_dict(saved)
    schedule = make_schedule(resumed, config, 6, done=4)
    assert rates_of(resumed, schedule, 2) == [pytest.approx(r, rel=1e-5) for r in expected[4:]]


def test_the_optimizer_of_an_earlier_version_resumes_at_its_rates() -> None:
    config = TrainConfig(
        optimizer="sgd", learning_rate=0.1, rate_warmup_steps=2, head_rate_multiplier=10.0
    )
    optimizer = small_optimizer(config)
    saved = optimizer.state_dict()
    for group in saved["param_groups"]:  # what it held after four steps
        group["base_rate"] = group["lr"]
        group["lr"] *= 0.853553
    optimizer.load_state_dict(saved)
    schedule = make_schedule(optimizer, config, 6, done=4)
    assert rates_of(optimizer, schedule, 2) == [
        pytest.approx([rate, rate, 10 * rate, 10 * rate], rel=1e-5) for rate in SIX_STEPS[4:]
    ]


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


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match="device 'cuda:99' cannot be used"):
        choose_device("cuda:99")
    with pytest.raises(CdulEdgeError, match="device 'quantum' cannot be used"):
        choose_device("quantum")
    for other in ("cuda:-1", "cuda:x", "CUDA", "meta", "cpu:1", "", None):
        with pytest.raises(
            CdulEdgeError, match=f"device {other!r} cannot be used.*: expected auto, cpu"
        ):
            choose_device(other)  # type: ignore[arg-type]
    assert choose_device("cpu").type == "cpu"


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(CdulEdgeError, match="fp16 training needs a GPU"):
        resolve_precision("fp16", torch.device("cpu"))
    assert resolve_precision("auto", torch.device("cpu")) in ("fp32", "bf16")


def test_the_decay_of_a_warmed_mean_rises_to_the_one_that_was_asked_for() -> None:
    warmed = TrainConfig(ema_decay=0.9, ema_warmup=True)
    found = [ema_decay(done, warmed) for done in (0, 8, 79, 80, 1000)]
    assert found == pytest.approx([1 / 10, 9 / 18, 80 / 89, 0.9, 0.9])
    assert {ema_decay(done, TrainConfig(ema_decay=0.9)) for done in (0, 8, 1000)} == {0.9}


@pytest.mark.parametrize(("warmup", "second"), [(True, 20 / 11), (False, 1.1)])
def test_a_mean_starts_at_the_first_weights_and_moves_by_its_decay(
    warmup: bool, second: float
) -> None:
    """Weights 1, then 2: 1 + (1 - 2/11) with the warm-up, 1 + (1 - 0.9) without."""
    network = nn.Linear(1, 1, bias=False)
    config = TrainConfig(ema_decay=0.9, ema_warmup=warmup)
    mean = make_average(network, config)
    assert mean is not None
    for weight in (1.0, 2.0):
        nn.init.constant_(network.weight, weight)
        update_average(mean, network, config)
    (found,) = mean.module.parameters()
    assert found.item() == pytest.approx(second)


def test_a_state_saved_on_a_gpu_is_stepped_as_this_machine_does() -> None:
    for config in (TrainConfig(), TrainConfig(optimizer="sgd")):
        begun, resumed = small_optimizer(config), small_optimizer(config)
        begun.step()
        saved = begun.state_dict()
        for group in saved["param_groups"]:
            group["fused"] = True
        load_optimizer(resumed, saved)
        assert {group["fused"] for group in resumed.param_groups} == {None}
        assert resumed.state_dict()["state"].keys() == saved["state"].keys()
        resumed.step()


def test_without_a_decay_there_is_no_mean() -> None:
    assert make_average(nn.Linear(1, 1), TrainConfig(ema_warmup=True)) is None


def small_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(4, 2)
    )


def test_a_frozen_trunk_trains_its_head_only_and_then_everything() -> None:
    network, config = (
        small_network(),
        TrainConfig(freeze_trunk_epochs=2, freeze_norms=False, freeze_depth=0.0),
    )
    optimizer = make_optimizer(network, config)
    for epoch, frozen in ((1, True), (2, True), (3, False)):
        begin_epoch(network, optimizer, config, epoch=epoch)
        learning = [values.requires_grad for values in network.parameters()]
        assert learning == [not frozen] * 4 + [True, True]
        assert [layer.training for layer in network] == [not frozen] * 4 + [True]


def test_unless_told_a_quarter_of_the_epochs_trains_the_head_only() -> None:
    def frozen(epochs: int, weights: str = "default") -> list[bool]:
        network = small_network()
        config = TrainConfig(epochs=epochs, weights=weights, freeze_depth=0.0)
        optimizer, found = make_optimizer(network, config), []
        for epoch in range(1, epochs + 1):
            begin_epoch(network, optimizer, config, epoch=epoch)
            found.append(not network[0].weight.requires_grad)
        return found

    assert frozen(8) == [True, True, *[False] * 6]
    assert frozen(3) == [False] * 3
    assert frozen(8, weights="none") == [False] * 8  # there is nothing to keep


def test_what_was_never_to_learn_is_not_thawed() -> None:
    network, config = small_network(), TrainConfig(freeze_trunk_epochs=0)
    network[0].weight.requires_grad_(False)
    begin_epoch(network, make_optimizer(network, config), config, epoch=1)
    assert not network[0].weight.requires_grad


def test_frozen_norms_keep_their_statistics_and_learn_their_weights() -> None:
    network, config = (
        small_network(),
        TrainConfig(freeze_norms=True, freeze_depth=0.0, freeze_trunk_epochs=0),
    )
    begin_epoch(network, make_optimizer(network, config), config, epoch=1)
    assert [layer.training for layer in network] == [True, False, True, True, True]
    network(torch.randn(8, 3, 1, 1)).sum().backward()
    norm = network[1]
    assert norm.state_dict()["running_mean"].tolist() == [0.0] * 4
    assert all(values.grad is not None for values in norm.parameters())


def test_norms_without_pretrained_weights_learn_their_statistics_whatever_is_asked() -> None:
    network, config = small_network(), TrainConfig(freeze_norms=True, weights="none")
    begin_epoch(network, make_optimizer(network, config), config, epoch=1)
    assert network[1].training


def two_layers() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Flatten(),
        nn.Linear(4, 2),
    )  # fmt: skip


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.4, 0), (0.5, 1), (0.99, 1), (1.0, 2)])
def test_the_first_share_of_a_trunks_layers_is_kept_with_its_norms(share: float, kept: int) -> None:
    network, config = (
        two_layers(),
        TrainConfig(freeze_depth=share, freeze_norms=False, freeze_trunk_epochs=0),
    )
    begin_epoch(network, make_optimizer(network, config), config, epoch=1)
    learning = [values.requires_grad for values in network.parameters()]
    assert learning == [False] * (4 * kept) + [True] * (10 - 4 * kept)
    modes = [layer.training for layer in network][:4]
    assert modes == [False] * (2 * kept) + [True] * (4 - 2 * kept)


def test_a_block_that_is_kept_is_kept_with_its_random_depth() -> None:
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 1), torchvision.ops.StochasticDepth(0.5, "row")),
        nn.Sequential(nn.Conv2d(4, 4, 1), torchvision.ops.StochasticDepth(0.5, "row")),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    config = TrainConfig(freeze_depth=0.5, freeze_trunk_epochs=0)
    begin_epoch(network, make_optimizer(network, config), config, epoch=1)
    assert [module.training for module in network[0].modules()] == [False] * 3
    assert [module.training for module in network[1].modules()] == [True] * 3


def test_layers_without_pretrained_weights_are_never_kept() -> None:
    network, config = two_layers(), TrainConfig(freeze_depth=1.0, weights="none")
    begin_epoch(network, make_optimizer(network, config), config, epoch=1)
    assert all(values.requires_grad for values in network.parameters())
    assert all(layer.training for layer in network)


def test_branches_that_no_weights_have_filled_learn_in_a_frozen_trunk() -> None:
    network = torchvision.models.resnet18(num_classes=2)
    add_global_context(network, "resnet18")
    config = TrainConfig(freeze_trunk_epochs=1, freeze_norms=True, freeze_depth=1.0)
    for epoch in (1, 2):
        begin_epoch(network, make_optimizer(network, config), config, epoch=epoch)
        for name, values in network.named_parameters():
            assert values.requires_grad == (BRANCH in name or name.startswith("fc.")), name
        norms = {name: one for name, one in network.named_modules() if "norm" in name}
        assert norms
        assert all(norm.training for norm in norms.values())  # the trunk's own are called bn
        assert not network.bn1.training


def test_the_running_mean_is_that_of_torch_to_the_bit_but_for_whole_numbers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    network.register_buffer("index", torch.arange(50))  # 3 * 0.9 + 3 * 0.1 is 2.9999998 in float32
    config = TrainConfig(ema_decay=0.9)
    mine = make_average(network, config)
    follow = get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
    theirs = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    assert mine is not None
    torch.manual_seed(0)
    for step in range(1, 4):
        network(torch.randn(2, 3, 5, 5))
        for values in network.parameters():
            values.data += torch.randn(values.shape)
        update_average(mine, network, config)
        theirs.update_parameters(network)
        assert int(mine.n_averaged) == step
        for name, values in mine.module.state_dict().items():
            expected = theirs.module if values.is_floating_point() else network
            assert torch.equal(values, expected.state_dict()[name]), name
    assert torch.equal(mine.module.get_buffer("index"), torch.arange(50))
