"""Class activation maps: their mean is the logit, whatever the network's family."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.convnext import CNBlockConfig

from cdul_edge.training.attention.cam import find_activation_maps
from cdul_edge.training.networks.clip_trunk import ClipTrunk
from cdul_edge.training.networks.heads import replace_classifier
from cdul_edge_runtime.errors import CdulEdgeError


def linear(weights: list[list[float]], bias: list[float]) -> nn.Linear:
    layer = nn.Linear(len(weights[0]), len(weights))
    layer.weight.data = torch.tensor(weights, dtype=torch.float32)
    layer.bias.data = torch.tensor(bias, dtype=torch.float32)
    return layer


def noise(side: int) -> Tensor:
    return torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_the_map_of_a_class_is_its_weights_times_the_features() -> None:
    network = nn.Sequential(
        nn.Identity(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        linear([[1, -2, 3], [0, 1, 0]], [5, 6]),
    )
    maps = find_activation_maps(network, "hand-made", 2, 2)
    picture = torch.arange(12.0).view(1, 3, 2, 2)  # channels 0..3, 4..7, 8..11
    logits, found = maps.read(network, picture)
    # (0, 0): 0 - 2 * 4 + 3 * 8 = 16, and each place to the right adds 1 - 2 + 3 = 2
    assert found[0, 0].tolist() == [[16.0, 18.0], [20.0, 22.0]]
    assert found[0, 1].tolist() == [[4.0, 5.0], [6.0, 7.0]]
    # the mean of 16, 18, 20, 22 and the bias 5; that of 4, 5, 6, 7 and the bias 6
    assert logits.tolist() == [[19.0 + 5.0, 5.5 + 6.0]]


def test_mean_and_maximum_side_by_side_share_out_the_logit() -> None:
    # One channel counts, by its mean (weight 1) and its maximum (weight 2).
    network = ClipTrunk(nn.Identity(), linear([[1, 0, 0, 2, 0, 0]], [0.5]))
    maps = find_activation_maps(network, "hand-made", 2, 2)
    assert maps.with_maximum
    picture = torch.zeros(1, 3, 2, 2)
    picture[0, 0] = torch.tensor([[1.0, 3.0], [3.0, 0.0]])
    logits, found = maps.read(network, picture)
    # The maximum 3 is reached twice: of 2 * 3, each place holds 3, times the 4 places.
    assert found[0, 0].tolist() == [[1.0, 3.0 + 12.0], [3.0 + 12.0, 0.0]]
    assert logits.item() == pytest.approx(7 / 4 + 2 * 3 + 0.5)
    assert float(found.mean()) + 0.5 == pytest.approx(logits.item())


# Small ones of the families whose smallest is large; the last places differ as in the large ones.
SMALL: dict[str, Callable[[], nn.Module]] = {
    "densenet": lambda: models.DenseNet(4, (1, 1, 1, 1), 8),
    "convnext": lambda: models.ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)]),
    "swin": lambda: models.SwinTransformer([4, 4], 8, [1, 1], [1, 2], [4, 4]),
}
AS_THEY_ARE = ("resnet18", "mobilenet_v2", "mnasnet0_5", "shufflenet_v2_x0_5", "squeezenet1_1")


@pytest.mark.parametrize("name", [*SMALL, *AS_THEY_ARE])
def test_the_mean_of_a_map_and_the_bias_are_the_logit(name: str) -> None:
    torch.manual_seed(0)
    network = SMALL[name]() if name in SMALL else models.get_model(name, weights=None)
    replace_classifier(network, 4)
    for layer in network.modules():  # untrained, a class needs larger weights to be told apart
        if isinstance(layer, nn.Linear) and layer.out_features == 4:
            layer.weight.data.normal_()
    network.eval()
    maps = find_activation_maps(network, name, 64, 64)
    logits, found = maps.read(network, noise(64))
    head = network.get_submodule(maps.head) if maps.head else None
    bias = head.bias if isinstance(head, nn.Linear) else torch.zeros(4)
    assert found.shape[:2] == (3, 4)
    assert found.shape[2] >= 2
    assert found.shape[3] >= 2
    with torch.no_grad():
        expected = network(noise(64))
        rebuilt = found.mean(dim=(2, 3)) + bias
    assert torch.equal(logits, expected)
    assert float((rebuilt - logits).abs().max()) <= 1e-4 * float(logits.abs().max())


def test_the_clip_trunks_maps_give_its_logits_back() -> None:
    torch.manual_seed(0)
    network = ClipTrunk.from_shape([1, 1, 1, 1], 8, 3)
    network.head.weight.data.normal_()
    maps = find_activation_maps(network, "clip:demo", 96, 64)
    logits, found = maps.read(network, noise(96)[..., :64])
    assert found.shape == (3, 3, 3, 2)
    torch.testing.assert_close(found.mean(dim=(2, 3)) + network.head.bias, logits)


@pytest.mark.parametrize("training", [True, False])
def test_looking_leaves_mode_weights_and_hooks_as_they_were(training: bool) -> None:
    network = ClipTrunk.from_shape([1, 1, 1, 1], 8, 3).train(training)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    maps = find_activation_maps(network, "clip:demo", 64, 64)
    maps.read(network, noise(64))
    assert network.training is training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_hidden_layer_or_a_class_token_is_refused_with_what_works() -> None:
    hidden = models.mobilenet_v3_small(weights=None)
    token = models.VisionTransformer(64, 16, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16)
    for name, network in (("mobilenet_v3_small", hidden), ("vit", token)):
        with pytest.raises(CdulEdgeError, match=f"^{name} has no class activation maps: .*ResNet"):
            find_activation_maps(network, name, 64, 64)


def test_timms_convnext_normalizes_after_pooling_and_gives_its_logits_back() -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_convnext", num_classes=4).eval()
    network.get_classifier().weight.data.normal_()
    maps = find_activation_maps(network, "test_convnext", 64, 64)
    logits, found = maps.read(network, noise(64))
    assert found.shape == (3, 4, 2, 2)
    torch.testing.assert_close(found.mean(dim=(2, 3)) + network.get_classifier().bias, logits)


def test_blocks_that_start_near_the_identity_are_not_taken_for_nothing() -> None:
    """At first this transformer hands on its patches almost as they are; it will not for long."""
    network = timm.create_model("vit_relpos_small_patch16_224", num_classes=4).eval()
    with pytest.raises(CdulEdgeError, match=r"^relpos has no class activation maps"):
        find_activation_maps(network, "relpos", 224, 224)


def test_the_mean_of_two_heads_has_no_maps() -> None:
    network = timm.create_model("repvit_m0_9", num_classes=4).eval()
    with pytest.raises(CdulEdgeError, match=r"^repvit has no class activation maps"):
        find_activation_maps(network, "repvit", 64, 64)


def test_layers_after_the_pooling_are_not_blamed_on_the_size() -> None:
    network = timm.create_model("mobilenetv3_small_050", num_classes=4).eval()
    with pytest.raises(CdulEdgeError, match=r"^v3 has no class activation maps"):
        find_activation_maps(network, "v3", 96, 96)


def test_a_feature_map_of_one_place_is_refused() -> None:
    network = models.resnet18(weights=None)
    with pytest.raises(CdulEdgeError, match=r"single place at 32x32 px.*--image-size"):
        find_activation_maps(network, "resnet18", 32, 32)
