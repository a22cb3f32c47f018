"""Networks by name get C logits; names, weights and sizes that do not fit are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from cdul_edge.clip.models import load_clip
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.clip_trunk import ClipTrunk
from cdul_edge.training.networks.heads import start_undecided
from cdul_edge.training.networks.network import NetworkPlan, create_network, rebuild_network
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import IMAGENET_MEAN


def config(**settings: Any) -> TrainConfig:
    given = {"network": "squeezenet1_1", "weights": "none", "height_px": 32, "width_px": 48}
    return TrainConfig(**{**given, **settings})


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small"])
def test_a_torchvision_classifier_gets_the_classes_in_place_of_its_own(name: str) -> None:
    network, plan = create_network(config(network=name), 5)
    images = torch.rand(2, 3, 32, 48)
    assert network(images).shape == (2, 5)
    assert plan.preprocess.mean == IMAGENET_MEAN
    assert (plan.preprocess.height_px, plan.preprocess.width_px) == (32, 48)
    again = rebuild_network(NetworkPlan.from_dict(plan.to_dict()), 5)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(images), network(images))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "densenet121", "vit_b_32"])
def test_networks_with_habits_of_their_own_answer_like_the_others(name: str) -> None:
    network, plan = create_network(config(network=name, height_px=96, width_px=96), 4)
    assert network.train()(torch.rand(2, 3, 96, 96)).shape == (2, 4)
    assert rebuild_network(plan, 4)(torch.rand(2, 3, 96, 96)).shape == (2, 4)


def test_a_clip_network_starts_from_the_clip_and_takes_any_size() -> None:
    network, plan = create_network(config(network="clip:demo", weights="default"), 4)
    clip = load_clip("demo")
    assert isinstance(network, ClipTrunk)
    visual: Any = clip.model.visual
    for name, value in visual.state_dict().items():
        if not name.startswith("attnpool."):
            assert torch.equal(network.visual.state_dict()[name], value), name
    assert all(p.requires_grad for p in network.parameters())
    assert plan.preprocess.mean == clip.mean
    assert network(torch.rand(2, 3, 32, 48)).shape == (2, 4)
    again = rebuild_network(NetworkPlan.from_dict(plan.to_dict()), 4)
    again.load_state_dict(network.state_dict())


def test_the_clip_head_sees_mean_and_maximum() -> None:
    class Constant(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[[[1.0, 3.0]]]])

    head = torch.nn.Linear(2, 2, bias=False)
    head.weight.data = torch.eye(2)
    logits = ClipTrunk(Constant(), head)(torch.zeros(1, 3, 8, 8))
    assert logits.tolist() == [[2.0, 3.0]]  # mean of 1 and 3, maximum of 1 and 3


def test_a_fresh_head_scores_every_class_at_about_one_in_c() -> None:
    network, _ = create_network(config(network="clip:demo"), 10)
    scores = torch.sigmoid(network(torch.rand(2, 3, 32, 48))).detach()
    assert float(scores.mean()) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_weights_from_a_file_fill_everything_but_the_head(tmp_path: Path, ending: str) -> None:
    source, _ = create_network(config(), 7)
    file = tmp_path / f"weights{ending}"
    state = {k: v.contiguous() for k, v in source.state_dict().items()}
    if ending == ".pth":
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, file)
    else:
        save_file(state, file)
    network, _ = create_network(config(weights=str(file)), 3)
    for name, value in network.state_dict().items():
        if not name.startswith("classifier.1."):
            assert torch.equal(value, state[name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "resnet81"}, r"no network 'resnet81': did you mean .*resnet18"),
        ({"network": "zzz"}, "no network 'zzz': give a torchvision classifier"),
        ({"weights": "IMAGENET1K_V9"}, "no weights 'IMAGENET1K_V9' .*IMAGENET1K_V1"),
        ({"weights": "nowhere.pth"}, r"nowhere\.pth do not exist"),
        ({"network": "clip:RN50", "weights": "nowhere.pt"}, r"nowhere\.pt is not a file"),
        ({"network": "clip:RM50", "weights": "none"}, "no CLIP called 'RM50'.*RN50"),
        ({"network": "vit_b_32", "height_px": 48}, "vit_b_32 cannot take pictures of 48x48 px"),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        create_network(config(**settings), 3)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"layer.weight": torch.zeros(2)}, file)
    # squeezenet1_1 has 26 convolutions, each with a bias; the last is the head
    with pytest.raises(CdulEdgeError, match=r"do not fit squeezenet1_1 .* 50 of 50 tensors are"):
        create_network(config(weights=str(file)), 3)


def test_weights_with_layers_that_the_network_lacks_are_refused(tmp_path: Path) -> None:
    source, _ = create_network(config(), 7)
    file = tmp_path / "more.pth"
    torch.save(source.state_dict() | {"features.99.weight": torch.zeros(2)}, file)
    with pytest.raises(CdulEdgeError, match=r" 1 tensors of the file .* such as features\.99"):
        create_network(config(weights=str(file)), 3)


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.pth"
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(CdulEdgeError, match=r"broken\.pth cannot be read"):
        create_network(config(weights=str(file)), 3)


@pytest.mark.parametrize("network", ["clip:demo", "squeezenet1_1", "resnet18"])
def test_an_undecided_head_starts_at_scores_of_a_half(network: str) -> None:
    torch.manual_seed(0)
    built, _ = create_network(config(network=network), 12)
    images = torch.zeros(2, 3, 32, 48)
    start_undecided(built)
    with torch.no_grad():
        assert float(built.eval()(images).abs().max()) < 0.2
