"""Networks by name: torchvision's classifiers, and the image tower of a ResNet CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.clip_trunk import ClipTrunk, load_clip_trunk
from cdul_edge.training.networks.heads import new_linear, replace_classifier
from cdul_edge.training.networks.local_global import add_global_context
from cdul_edge.training.networks.torchvision_models import build_torchvision, load_trunk_weights
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.pictures.preprocess import Preprocess

_CLIP = "clip:"


@dataclass(frozen=True)
class NetworkBuild:
    """A network's family and shape.

    Attributes:
        family: "torchvision" has a `name`, "clip_resnet" has `layers` and `width`.
        name: torchvision's.
        layers: blocks per stage, four.
        width: channels of the first stage's blocks.
        local_global: whether its convolutions were given a global context.

    Raises:
        CdulEdgeError: what its family needs is missing.
    """

    family: Literal["torchvision", "clip_resnet"]
    name: str = ""
    layers: tuple[int, ...] = ()
    width: int = 0
    local_global: bool = False

    def __post_init__(self) -> None:
        sizes = (self.width, *self.layers)
        shaped = len(self.layers) == 4 and all(0 < size <= 1024 for size in sizes)
        if not (self.name if self.family == "torchvision" else shaped):
            raise CdulEdgeError(f"a {self.family} network lacks its name or shape")


@dataclass(frozen=True)
class NetworkPlan:
    """What is needed to build the network again without any weights.

    Attributes:
        build: family and shape.
        preprocess: what its pictures must look like.
    """

    build: NetworkBuild
    preprocess: Preprocess

    def to_dict(self) -> dict[str, object]:
        """Plain values for a checkpoint; `from_dict` reads them back."""
        build = {name: value for name, value in asdict(self.build).items() if value}
        if self.build.layers:
            build["layers"] = list(self.build.layers)
        return {"build": build, "preprocess": self.preprocess.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkPlan:
        """Read what `to_dict` wrote; raises `CdulEdgeError` where it is something else."""
        build = parse_record(NetworkBuild, values.get("build"), "build")
        return cls(build, Preprocess.from_dict(values.get("preprocess")))


def create_network(settings: TrainConfig, classes: int) -> tuple[nn.Module, NetworkPlan]:
    """Build the configured network with C logits and load the weights of its trunk.

    Random weights, the head's among them, come from torch's global generator.

    Returns:
        the network: float32 normalized (N, 3, H, W) to logits (N, C); and its plan.

    Raises:
        CdulEdgeError: unknown name (with near matches), weights that are not available or do not
            fit, or an input size that the network cannot take.
    """
    name, weights = settings.network, settings.weights
    preprocess = Preprocess(settings.height_px, settings.width_px, settings.resize)
    if name.startswith(_CLIP):
        trunk = load_clip_trunk(name.removeprefix(_CLIP), weights)
        build = NetworkBuild("clip_resnet", layers=trunk.layers, width=trunk.width)
        preprocess = replace(preprocess, mean=trunk.mean, std=trunk.std)
        network: nn.Module = ClipTrunk(trunk.visual, new_linear(2 * trunk.features, classes))
    else:
        build = NetworkBuild("torchvision", name)
        network = build_torchvision(name, settings.height_px, settings.width_px)
        head = replace_classifier(network, classes)
    if settings.local_global:
        add_global_context(network, name)
        build = replace(build, local_global=True)
    if build.family == "torchvision" and weights != "none":
        load_trunk_weights(network, name, weights, head)
    _probe(network, name, classes, preprocess)
    return network, NetworkPlan(build, preprocess)


def rebuild_network(plan: NetworkPlan, classes: int) -> nn.Module:
    """The network of a plan with random weights, ready for `load_state_dict`; no file is read."""
    build, preprocess = plan.build, plan.preprocess
    if build.family == "clip_resnet":
        network: nn.Module = ClipTrunk.from_shape(list(build.layers), build.width, classes)
    else:
        network = build_torchvision(build.name, preprocess.height_px, preprocess.width_px)
        replace_classifier(network, classes)
    if build.local_global:
        add_global_context(network, build.name or build.family)
    return network


def _probe(network: nn.Module, name: str, classes: int, preprocess: Preprocess) -> None:
    """One picture through: a size that the network cannot take shows now, not after decoding."""
    height, width = preprocess.height_px, preprocess.width_px
    network.eval()
    try:
        with torch.inference_mode():
            shape = tuple(network(torch.zeros(1, 3, height, width)).shape)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise CdulEdgeError(
            f"{name} cannot take pictures of {height}x{width} px ({error}): choose another "
            "--image-size"
        ) from error
    if shape != (1, classes):
        raise CdulEdgeError(f"{name} answers with shape {shape}, expected (1, {classes})")
