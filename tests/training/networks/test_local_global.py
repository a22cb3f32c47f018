"""The local-global convolution: its size, what it is at first, and what it computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.local_global import (
    ChannelScale,
    GlobalContext,
    LocalGlobalConv,
    Norm,
    add_global_context,
)
from cdul_edge.training.networks.network import NetworkPlan, create_network, rebuild_network
from cdul_edge.training.optimization import make_optimizer
from cdul_edge_runtime.errors import CdulEdgeError

BOTH = pytest.mark.parametrize("norm", ["batch", "scale"])


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make(norm: Norm = "batch", inputs: int = 16, outputs: int = 24, stride: int = 1) -> Any:
    torch.manual_seed(0)
    plain = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return plain, LocalGlobalConv(plain, norm)


@pytest.mark.parametrize(
    ("name", "modules", "added"),
    [("resnet101", 33, 5_436_160), ("resnet50", 16, 2_875_824)],
)
def test_a_resnet_grows_by_the_published_number_of_weights(
    name: str, modules: int, added: int
) -> None:
    with torch.device("meta"):
        network = models.get_model(name, weights=None)
        before = parameters(network)
        assert add_global_context(network, name) == modules
    assert parameters(network) - before == added


@BOTH
def test_with_a_norm_of_zero_it_is_the_plain_convolution_exactly(norm: Norm) -> None:
    plain, wrapped = make(norm)
    nn.init.zeros_(wrapped.context.norm.weight)
    x = draw(2, 16, 5, 7)
    for mode in (wrapped.train(), wrapped.eval()):
        assert torch.equal(mode(x), plain(x))


def test_at_first_it_changes_the_answer_by_a_ten_thousandth() -> None:
    plain, wrapped = make(inputs=64, outputs=64)
    x = draw(4, 64, 14, 14)
    with torch.no_grad():
        change = (wrapped(x) - plain(x)).norm() / plain(x).norm()
    assert 1e-5 < float(change) < 5e-4
    assert float(wrapped.context.norm.weight.detach().std()) == pytest.approx(1e-4, rel=0.3)
    assert not wrapped.context.norm.bias.any()


@BOTH
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (1, 3)])
def test_any_height_and_width_give_the_plain_convolutions_shape(
    norm: Norm, stride: int, size: tuple[int, int]
) -> None:
    plain, wrapped = make(norm, stride=stride)
    x = draw(2, 16, *size)
    assert wrapped(x).shape == plain(x).shape


def test_it_equals_its_equations_written_out_head_by_head() -> None:
    _, wrapped = make(norm="scale", stride=2)
    g, x = wrapped.context, draw(2, 16, 4, 6)
    q = torch.relu(g.reduce(x))
    both = torch.cat([q, q.mean(dim=(2, 3), keepdim=True).repeat(1, 1, 4, 6)], dim=1)
    a, d, v = g.gather(both), torch.sigmoid(g.spread(both)), g.values(x)
    o = torch.zeros_like(x)
    for picture in range(2):
        for head in range(8):
            weights = torch.softmax(a[picture, head].reshape(-1), dim=0).reshape(4, 6)
            for channel in (2 * head, 2 * head + 1):  # heads are contiguous channels
                gathered = (v[picture, channel] * weights).sum()
                o[picture, channel] = gathered * d[picture, head]
    torch.testing.assert_close(g.context(x), o)
    expected = g.project(x + o) * g.norm.weight[:, None, None]
    torch.testing.assert_close(g(x), expected)


def test_the_gathering_maps_sum_to_one_over_the_picture() -> None:
    _, wrapped = make()
    with torch.no_grad():
        gather, spread = wrapped.context.maps(3 * draw(3, 16, 5, 4))
    assert gather.shape == spread.shape == (3, 8, 20)
    torch.testing.assert_close(gather.sum(dim=2), torch.ones(3, 8))
    assert float(gather.min()) >= 0
    assert 0 < float(spread.min()) < float(spread.max()) < 1


def test_what_is_handed_out_is_constant_over_the_picture_exactly_where_its_map_is() -> None:
    _, wrapped = make()
    g: GlobalContext = wrapped.context
    with torch.no_grad():
        g.spread.weight[3:] = 0.0  # heads 3 to 7 hand out the same everywhere
        o = g.context(draw(2, 16, 5, 4)).reshape(2, 8, 2, 20)
    spans = (o.amax(dim=3) - o.amin(dim=3)).amax(dim=2)
    assert float(spans[:, 3:].max()) == 0.0
    assert float(spans[:, :3].min()) > 1e-4


def test_a_plain_checkpoint_fits_but_for_the_new_branch() -> None:
    network, plain = (models.get_model("resnet18", weights=None) for _ in range(2))
    add_global_context(network, "resnet18")
    answer = network.load_state_dict(plain.state_dict(), strict=False)
    assert answer.unexpected_keys == []
    assert all(".context." in key for key in answer.missing_keys)
    assert isinstance(network.layer2[0].conv1, LocalGlobalConv)
    assert torch.equal(network.layer2[0].conv1.weight, plain.layer2[0].conv1.weight)


@BOTH
def test_every_weight_learns(norm: Norm) -> None:
    _, wrapped = make(norm)
    nn.init.ones_(wrapped.context.norm.weight)
    (wrapped(draw(3, 16, 5, 4)) * draw(3, 24, 5, 4, seed=1)).sum().backward()
    for name, parameter in wrapped.named_parameters():
        # A bias that batch norm takes off again has no gradient but rounding.
        if not (norm == "batch" and name == "context.project.bias"):
            assert float(parameter.grad.abs().max()) > 0, name


def test_the_scale_is_one_factor_a_channel() -> None:
    scale = ChannelScale(2)
    with torch.no_grad():
        scale.weight[1] = 3.0
    assert scale(torch.ones(1, 2, 1, 2)).tolist() == [[[[1.0, 1.0]], [[3.0, 3.0]]]]


def config(**settings: Any) -> TrainConfig:
    given = {"weights": "none", "height_px": 32, "width_px": 48, "local_global": True}
    return TrainConfig(**{**given, **settings})


@pytest.mark.parametrize(
    ("name", "modules"), [("resnet18", 16), ("timm:test_resnet", 7), ("clip:demo", 6)]
)
def test_the_plan_of_a_network_rebuilds_it(name: str, modules: int) -> None:
    network, plan = create_network(config(network=name), 3)
    assert sum(isinstance(m, LocalGlobalConv) for m in network.modules()) == modules
    again = rebuild_network(NetworkPlan.from_dict(plan.to_dict()), 3)
    again.load_state_dict(network.state_dict())
    images = draw(2, 3, 32, 48)
    assert torch.equal(again.eval()(images), network.eval()(images))
    make_optimizer(again, config(network=name))  # the head is still found


@pytest.mark.parametrize("local_global", [False, True])
def test_weights_of_a_network_with_or_without_it_are_loaded(
    tmp_path: Path, local_global: bool
) -> None:
    source, _ = create_network(config(network="resnet18", local_global=local_global), 7)
    file = tmp_path / "weights.pt"
    torch.save(source.state_dict(), file)
    network, _ = create_network(config(network="resnet18", weights=str(file)), 3)
    state = network.state_dict()
    for name, value in source.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(state[name], value), name


@pytest.mark.parametrize("name", ["resnet18", "timm:test_resnet"])
@pytest.mark.parametrize("plain", [False, True])
def test_weights_with_half_a_branch_or_for_a_plain_network_are_refused(
    tmp_path: Path, plain: bool, name: str
) -> None:
    source, _ = create_network(config(network=name), 3)
    state = source.state_dict()
    if not plain:
        del state[next(key for key in state if key.endswith(".context.reduce.bias"))]
    torch.save(state, tmp_path / "weights.pt")
    settings = config(network=name, weights=str(tmp_path / "weights.pt"), local_global=not plain)
    with pytest.raises(CdulEdgeError, match=rf"do not fit {name}.* such as layer1.*\.context\."):
        create_network(settings, 3)


def test_a_clip_trunk_keeps_its_weights() -> None:
    settings = {"network": "clip:demo", "weights": "default"}
    plain, _ = create_network(config(**settings, local_global=False), 3)
    network, _ = create_network(config(**settings), 3)
    state = network.state_dict()
    for name, value in plain.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(state[name], value), name


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small"])
def test_a_network_without_residual_convolutions_is_refused(name: str) -> None:
    with pytest.raises(CdulEdgeError, match=f"--local-global .* {name} has none .* resnet50"):
        create_network(config(network=name), 3)


def test_a_network_without_it_has_a_plan_without_it() -> None:
    _, plan = create_network(config(network="clip:demo", local_global=False), 3)
    assert not plan.build.local_global
