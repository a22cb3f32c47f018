"""Networks by name: classifiers of torchvision and timm, and the image tower of a ResNet CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from timm.models import PretrainedCfg
from torch import nn

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.clip_trunk import ClipTrunk, load_clip_trunk
from cdul_edge.training.networks.heads import new_linear, replace_classifier
from cdul_edge.training.networks.local_global import add_global_context
from cdul_edge.training.networks.timm_models import (
    TIMM,
    build_timm,
    download_timm,
    load_file,
    own_preprocess,
    read_settings,
)
from cdul_edge.training.networks.torchvision_models import build_torchvision, load_trunk_weights
from cdul_edge.training.networks.weight_files import names_file
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.pictures.preprocess import Preprocess

_CLIP = "clip:"
_DEFAULT_SIZE = (224, 224)  # of networks that do not say what they were trained with


@dataclass(frozen=True)
class NetworkBuild:
    """A network's family and shape.

    Attributes:
        family: "torchvision" and "timm" have a `name`, "clip_resnet" has `layers` and `width`.
        name: torchvision's, or timm's without a tag.
        layers: blocks per stage, four.
        width: channels of the first stage's blocks.
        local_global: whether its convolutions were given a global context.

    Raises:
        CdulEdgeError: what its family needs is missing.
    """

    family: Literal["torchvision", "timm", "clip_resnet"]
    name: str = ""
    layers: tuple[int, ...] = ()
    width: int = 0
    local_global: bool = False

    def __post_init__(self) -> None:
        sizes = (self.width, *self.layers)
        shaped = len(self.layers) == 4 and all(0 < size <= 1024 for size in sizes)
        if not (shaped if self.family == "clip_resnet" else self.name):
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


def settle_size(settings: TrainConfig) -> TrainConfig:
    """The same settings with an input size: that of a timm network where none is given, or 224 px.

    Raises:
        CdulEdgeError: timm has no such network or weights.
    """
    if settings.height_px is not None and settings.width_px is not None:
        return settings
    height, width = _DEFAULT_SIZE
    if settings.network.startswith(TIMM):
        cfg = read_settings(settings.network.removeprefix(TIMM), settings.weights)
        height, width = cfg.input_size[1:]
    return replace(
        settings, height_px=settings.height_px or height, width_px=settings.width_px or width
    )


def input_size(settings: TrainConfig) -> tuple[int, int]:
    """Height and width in px of the network's input, as `settle_size` finds them."""
    settled = settle_size(settings)
    assert settled.height_px is not None
    assert settled.width_px is not None
    return settled.height_px, settled.width_px


def create_network(
    settings: TrainConfig, classes: int, console: Console | None = None
) -> tuple[nn.Module, NetworkPlan]:
    """Build the configured network with C logits and load the weights of its trunk.

    Random weights, the head's among them, come from torch's global generator.

    Args:
        console: where to say what a file of weights filled.

    Returns:
        the network: float32 normalized (N, 3, H, W) to logits (N, C); and its plan.

    Raises:
        CdulEdgeError: unknown name (with near matches), weights that are not available or do not
            fit, or an input size that the network cannot take.
    """
    console = console or LibraryConsole()
    name, weights = settings.network, settings.weights
    preprocess = Preprocess(*input_size(settings), settings.resize)
    head, own_size = "", None
    if weights != "none" and not names_file(weights) and not name.startswith(_CLIP):
        console.say(f"getting the weights of {name}: downloaded once, then kept")
    if name.startswith(_CLIP):
        trunk = load_clip_trunk(name.removeprefix(_CLIP), weights)
        build = NetworkBuild("clip_resnet", layers=trunk.layers, width=trunk.width)
        preprocess = replace(preprocess, mean=trunk.mean, std=trunk.std)
        network: nn.Module = ClipTrunk(trunk.visual, new_linear(2 * trunk.features, classes))
    elif name.startswith(TIMM):
        network, cfg = _create_timm(settings, classes, preprocess)
        build = NetworkBuild("timm", str(cfg.architecture))
        preprocess, own_size = own_preprocess(cfg, preprocess), cfg.input_size[1:]
    else:
        build = NetworkBuild("torchvision", name)
        network = build_torchvision(name, preprocess.height_px, preprocess.width_px)
        head = replace_classifier(network, classes)
    if settings.local_global:
        add_global_context(network, name)
        build = replace(build, local_global=True)
    if build.family == "torchvision" and weights != "none":
        load_trunk_weights(network, name, weights, head)
    elif build.family == "timm" and names_file(weights):
        console.say(load_file(network, name, weights))
    _probe(network, name, classes, preprocess, own_size=own_size)
    _refuse_cut_patches(network, name, preprocess)
    return network, NetworkPlan(build, preprocess)


def rebuild_network(plan: NetworkPlan, classes: int) -> nn.Module:
    """The network of a plan with random weights, ready for `load_state_dict`; no file is read."""
    build, preprocess = plan.build, plan.preprocess
    if build.family == "clip_resnet":
        network: nn.Module = ClipTrunk.from_shape(list(build.layers), build.width, classes)
    elif build.family == "timm":
        size = preprocess.height_px, preprocess.width_px
        network = build_timm(build.name, classes, *size)
    else:
        network = build_torchvision(build.name, preprocess.height_px, preprocess.width_px)
        replace_classifier(network, classes)
    if build.local_global:
        add_global_context(network, build.name or build.family)
    return network


def _create_timm(
    settings: TrainConfig, classes: int, preprocess: Preprocess
) -> tuple[nn.Module, PretrainedCfg]:
    """With timm's own weights where the settings ask for them, and else with random ones."""
    cfg = read_settings(settings.network.removeprefix(TIMM), settings.weights)
    size = preprocess.height_px, preprocess.width_px
    if settings.weights == "none" or names_file(settings.weights):
        return build_timm(str(cfg.architecture), classes, *size), cfg
    return download_timm(cfg, classes, *size), cfg


def _probe(
    network: nn.Module,
    name: str,
    classes: int,
    preprocess: Preprocess,
    *,
    own_size: tuple[int, ...] | None,
) -> None:
    """One picture through: a size that the network cannot take shows now, not after decoding."""
    height, width = preprocess.height_px, preprocess.width_px
    network.eval()
    try:
        with torch.inference_mode():
            answer = network(torch.zeros(1, 3, height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).strip() or type(error).__name__
        made = "" if own_size is None else f", such as its own {own_size[0]}x{own_size[1]}"
        raise CdulEdgeError(
            f"{name} cannot take pictures of {height}x{width} px ({reason.splitlines()[0]}): "
            f"choose another --image-size{made}"
        ) from error
    if not isinstance(answer, torch.Tensor):
        raise CdulEdgeError(
            f"{name} has several outputs, expected one of shape (1, {classes}): choose a network "
            "with one classifier"
        )
    if tuple(answer.shape) != (1, classes):
        pooled = "" if answer.ndim == 2 else ", as it pools nothing: choose a classifier"
        raise CdulEdgeError(
            f"{name} answers with shape {tuple(answer.shape)}, expected (1, {classes}){pooled}"
        )


def _refuse_cut_patches(network: nn.Module, name: str, preprocess: Preprocess) -> None:
    """timm's plain vision transformers pass over the pixels that fill no whole patch."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    sides = patch if isinstance(patch, tuple) else (patch, patch)
    for size, side in zip((preprocess.height_px, preprocess.width_px), sides, strict=True):
        if isinstance(side, int) and size % side:
            fitting = size // side * side
            near = f"{fitting} or {fitting + side}" if fitting else str(side)
            raise CdulEdgeError(
                f"{name} sees whole patches of {side} px only, and {size} px leave {size % side} "
                f"over: choose another --image-size, such as {near}"
            )
