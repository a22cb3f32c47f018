"""timm's classifiers: their own input, weights that fit, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from timm.models.resnet import ResNet

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.heads import find_heads
from cdul_edge.training.networks.network import (
    NetworkPlan,
    create_network,
    rebuild_network,
    settle_size,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole


class Lines(SilentConsole):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def config(network: str = "timm:test_resnet", **settings: Any) -> TrainConfig:
    return TrainConfig(**{"network": network, "weights": "none", **settings})


def save_weights(file: Path, network: torch.nn.Module, **more: torch.Tensor) -> TrainConfig:
    """Settings that start test_resnet from these weights."""
    state = {k: v.contiguous() for k, v in network.state_dict().items()} | more
    if file.suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save({"state_dict": state}, file)
    return config(weights=str(file))


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("test_resnet", ("fc",)),
        ("test_efficientnet", ("classifier",)),
        ("test_vit", ("head",)),
        ("test_convnext", ("head.fc",)),
    ],
)
def test_a_timm_classifier_answers_with_the_classes_and_is_built_again(
    name: str, heads: tuple[str, ...]
) -> None:
    network, plan = create_network(config(f"timm:{name}"), 5)
    height, width = plan.preprocess.height_px, plan.preprocess.width_px
    assert (height, width) == (160, 160)  # what timm trained these with
    assert find_heads(network) == heads
    images = torch.rand(2, 3, height, width)
    assert network.train()(images).shape == (2, 5)
    again = rebuild_network(NetworkPlan.from_dict(plan.to_dict()), 5)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(images), network.eval()(images))


def test_pictures_look_as_timm_trained_the_network_on_them() -> None:
    lite = config("timm:tf_efficientnet_lite0", resize="center")
    plan = create_network(lite, 3)[1].preprocess
    assert (plan.height_px, plan.interpolation) == (224, "bicubic")
    assert (plan.mean, plan.std, plan.crop) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 0.875)
    whole = create_network(config("timm:tf_efficientnet_lite0", height_px=96), 3)[1].preprocess
    assert (whole.height_px, whole.width_px, whole.resize, whole.crop) == (96, 224, "squash", 1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (config("resnet18"), (224, 224)),
        (config("clip:demo"), (224, 224)),
        (config("timm:test_vit"), (160, 160)),
        (config("timm:resnet50.a3_in1k"), (160, 160)),
        (config("timm:resnet50", weights="a1_in1k"), (224, 224)),
        (config("timm:test_vit", height_px=64, width_px=96), (64, 96)),
    ],
)
def test_the_size_is_the_networks_own_where_none_is_given(
    given: TrainConfig, expected: tuple[int, int]
) -> None:
    settled = settle_size(given)
    assert (settled.height_px, settled.width_px) == expected


def test_a_vision_transformer_is_built_for_the_size_that_is_asked_for() -> None:
    network, plan = create_network(config("timm:test_vit", height_px=64, width_px=96), 3)
    images = torch.rand(1, 3, 64, 96)
    assert network(images).shape == rebuild_network(plan, 3)(images).shape == (1, 3)


def test_every_class_starts_with_a_score_of_about_one_in_c() -> None:
    network, _ = create_network(config("timm:test_efficientnet"), 10)
    scores = torch.sigmoid(network(torch.rand(2, 3, 160, 160))).detach()
    assert float(scores.mean()) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_file_fills_everything_but_the_head_and_the_line_says_so(
    tmp_path: Path, ending: str
) -> None:
    source, _ = create_network(config(), 7)
    given = save_weights(tmp_path / f"w{ending}", source, **{"aux.weight": torch.zeros(2)})
    console = Lines()
    network, _ = create_network(given, 3, console)
    state = source.state_dict()
    for name, value in network.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(value, state[name])
    weights = sum(not name.startswith("fc.") and not name.endswith("_tracked") for name in state)
    (line,) = console.said
    assert f"{weights} tensors filled" in line
    assert "2 fresh in the head (fc.weight, fc.bias)" in line
    assert "1 of the file not used (aux.weight)" in line


def test_position_embeddings_of_another_size_are_fitted(tmp_path: Path) -> None:
    source, _ = create_network(config("timm:test_vit"), 7)
    file = tmp_path / "vit.safetensors"
    save_file(source.state_dict(), file)
    settings = config("timm:test_vit", weights=str(file), height_px=96, width_px=96)
    network, _ = create_network(settings, 3)
    assert network.state_dict()["pos_embed"].shape == (1, 37, 64)  # 6 x 6 patches and one token


def test_weights_of_another_network_are_refused_with_how_many_differ(tmp_path: Path) -> None:
    other, _ = create_network(config("timm:test_efficientnet"), 7)
    with pytest.raises(CdulEdgeError, match=r"do not fit timm:test_resnet: \d+ of \d+ tensors"):
        create_network(save_weights(tmp_path / "other.pth", other), 3)


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    source, _ = create_network(config(), 7)
    deeper = {"layer1.5.conv1.weight": torch.zeros(2, 2)}
    with pytest.raises(CdulEdgeError, match=r"1 tensors .* no place in it.*layer1\.5\.conv1"):
        create_network(save_weights(tmp_path / "deeper.pth", source, **deeper), 3)


def test_a_file_without_a_state_dict_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.pth"
    torch.save([1, 2], file)
    with pytest.raises(CdulEdgeError, match="holds no state dict"):
        create_network(config(weights=str(file)), 3)


def test_a_file_whose_values_are_not_finite_is_refused(tmp_path: Path) -> None:
    source, _ = create_network(config(), 7)
    spoiled = {"layer1.0.conv1.weight": torch.full((2, 2), torch.nan)}
    with pytest.raises(CdulEdgeError, match=r"not finite in layer1\.0\.conv1\.weight"):
        create_network(save_weights(tmp_path / "spoiled.pth", source, **spoiled), 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "timm:tset_resnet"}, "timm has no network .*did you mean timm:test_resnet"),
        ({"network": "timm:zzz"}, "timm has no network 'zzz'"),
        ({"network": "resnet18d"}, "did you mean timm:resnet18d?"),
        ({"weights": "r999"}, "no weights 'r999' for timm:test_resnet.* r160_in1k"),
        ({"network": "timm:resnet10t.x"}, "no weights 'x' for timm:resnet10t"),
        ({"weights": "nowhere.pth"}, r"nowhere\.pth do not exist"),
        ({"network": "timm:test_vit", "height_px": 100}, "timm:test_vit .*100x160 px"),
        (
            {"network": "timm:vit_tiny_patch16_224", "height_px": 96, "width_px": 100},
            "patches of 16 px only, and 100 px leave 4 over: .* such as 96 or 112",
        ),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        create_network(config(**settings), 3)


def test_a_network_that_pools_nothing_is_refused() -> None:
    with (
        torch.device("meta"),  # shapes alone: it has 300 million weights
        pytest.raises(CdulEdgeError, match=r"timm:mobilenetv5_300m_enc .* pools nothing"),
    ):
        create_network(config("timm:mobilenetv5_300m_enc"), 3)


def test_a_network_of_several_outputs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer_twice(self: torch.nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return images, images

    monkeypatch.setattr(ResNet, "forward", answer_twice)
    with pytest.raises(CdulEdgeError, match="timm:test_resnet has several outputs"):
        create_network(config(), 3)


def test_a_distilled_network_answers_with_the_mean_of_its_heads_while_it_trains() -> None:
    network, _ = create_network(config("timm:repvit_m0_9", height_px=64, width_px=64), 3)
    assert find_heads(network) == ("head.head.l", "head.head_dist.l")
    assert network.train()(torch.rand(2, 3, 64, 64)).shape == (2, 3)


def test_a_network_of_one_size_names_it() -> None:
    given = config("timm:efficientformer_l1", height_px=96, width_px=96)
    with torch.device("meta"), pytest.raises(CdulEdgeError, match="such as its own 224x224"):
        create_network(given, 3)


def test_a_download_that_fails_is_one_line_with_the_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    console = Lines()
    with pytest.raises(CdulEdgeError, match=r"could not be downloaded .*--weights FILE"):
        create_network(config(weights="default"), 3, console)
    # without a network, a minute of attempts follows
    assert console.said == ["getting the weights of timm:test_resnet: downloaded once, then kept"]
