"""Networks by name: torchvision's classifiers, and the image tower of a ResNet CLIP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.clip_trunk import ClipTrunk, load_clip_trunk
from cdul_edge.training.networks.heads import new_linear, replace_classifier
from cdul_edge.training.networks.local_global import add_global_context
from cdul_edge.training.networks.torchvision_models import build_torchvision, load_trunk_weights
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.preprocess import Preprocess

_CLIP = "clip:"


@dataclass(frozen=True)
class NetworkPlan:
    """What is needed to build the network again without any weights.

    Attributes:
        build: family and shape, plain values.
        preprocess: what its pictures must look like.
    """

    build: dict[str, Any]
    preprocess: Preprocess

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint; `from_dict` reads them back."""
        return {"build": self.build, "preprocess": self.preprocess.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkPlan:
        """Read what `to_dict` wrote."""
        return cls(values["build"], Preprocess.from_dict(values["preprocess"]))


def create_network(settings: TrainConfig, classes: int) -> tuple[nn.Module, NetworkPlan]:
    """Build the configured network with C logits and load the weights of its trunk.

    Random weights, the head's among them, come from torch's global generator.

    Returns:
        the network: float32 normalized (N, 3, H, W) to logits (N, C); and its plan.

    Raises:
        CdulEdgeError: unknown name (with near matches), weights that cannot be had or do not
            fit, or an input size that the network cannot take.
    """
    name, weights = settings.network, settings.weights
    preprocess = Preprocess(settings.height_px, settings.width_px, settings.resize)
    if name.startswith(_CLIP):
        trunk = load_clip_trunk(name.removeprefix(_CLIP), weights)
        build = {"family": "clip_resnet", "layers": list(trunk.layers), "width": trunk.width}
        preprocess = replace(preprocess, mean=trunk.mean, std=trunk.std)
        network: nn.Module = ClipTrunk(trunk.visual, new_linear(2 * trunk.features, classes))
    else:
        build = {"family": "torchvision", "name": name}
        network = build_torchvision(name, settings.height_px, settings.width_px)
        head = replace_classifier(network, classes)
    if settings.local_global:
        add_global_context(network, name)
        build["local_global"] = True
    if build["family"] == "torchvision" and weights != "none":
        load_trunk_weights(network, name, weights, head)
    _probe(network, name, classes, preprocess)
    return network, NetworkPlan(build, preprocess)


def rebuild_network(plan: NetworkPlan, classes: int) -> nn.Module:
    """The network of a plan with random weights, ready for `load_state_dict`; no file is read."""
    build, preprocess = plan.build, plan.preprocess
    family = build.get("family")
    if family == "clip_resnet":
        network: nn.Module = ClipTrunk.from_shape(build["layers"], build["width"], classes)
    elif family == "torchvision":
        network = build_torchvision(build["name"], preprocess.height_px, preprocess.width_px)
        replace_classifier(network, classes)
    else:
        raise CdulEdgeError(f"unknown network family {family!r}: made by a newer version?")
    if build.get("local_global"):
        add_global_context(network, str(build.get("name", family)))
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
