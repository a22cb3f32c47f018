"""Class activation maps: how much each place of a picture speaks for each class.

Where a network pools its last feature map and puts one linear layer on that, every logit is a sum
over places (Zhou et al., CVPR 2016). With head weights W and bias b, and features P spread over
the places so that their mean is what the head is given,

    M_c(i, j) = sum over d of W_cd P_d(i, j)          z_c = b_c + mean over (i, j) of M_c(i, j)

    mean pooling                      P is the feature map F
    a layer norm after the pooling    P is F, normalized at every place with the mean and deviation
                                      of the pooled vector, with which the norm is affine
    mean and maximum side by side     P is F, beside h w F where a channel reaches its maximum and
                                      0 elsewhere (equal shares where several places reach it)
    a convolution before the pooling  M is the feature map

Which of these a network does is not told by its family: one picture goes through, and the modules
whose outputs pool to what the head was given are the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cdul_edge.training.networks.heads import find_heads
from cdul_edge_runtime.errors import CdulEdgeError

_HAVE_MAPS = (
    "ResNet, ResNeXt, RegNet, DenseNet, MobileNetV2, EfficientNet, ShuffleNet, ConvNeXt and Swin "
    "(of torchvision or timm), and clip:NAME"
)


@dataclass(frozen=True)
class ActivationMaps:
    """Where a network's class activation maps are to be read.

    Attributes:
        features: dotted name of the module that gives the last feature map, (B, D, h, w).
        head: of the linear layer; None where the features are maps of the classes already.
        norm: of the layer norm between pooling and head, if there is one.
        with_maximum: the head is given the mean and, beside it, the maximum.
    """

    features: str
    head: str | None
    norm: str | None
    with_maximum: bool

    def read(self, network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        """One forward pass in evaluation mode, without gradients.

        Args:
            network: the one that was looked at, or another with the same modules.
            images: (B, 3, H, W), normalized.

        Returns:
            float32 logits (B, C) and maps (B, C, h, w); the mean of a map, plus the head's bias,
            is the logit.
        """
        seen: dict[str, Tensor] = {}

        def keep(module: nn.Module, given: Any, answer: Tensor) -> None:
            seen["features"] = answer

        with _evaluating(network):
            hook = network.get_submodule(self.features).register_forward_hook(keep)
            try:
                logits: Tensor = network(images)
            finally:
                hook.remove()
            spread = self._spread(network, seen["features"].float())
            if self.head is None:
                return logits.float(), spread
            head = network.get_submodule(self.head)
            assert isinstance(head, nn.Linear)
            return logits.float(), torch.einsum("cd,bdhw->bchw", head.weight.float(), spread)

    def _spread(self, network: nn.Module, features: Tensor) -> Tensor:
        """P of the module's docstring: (B, D', h, w), whose mean is the head's input."""
        if self.norm is not None:
            norm = network.get_submodule(self.norm)
            assert isinstance(norm, nn.LayerNorm)
            return _normalize(features, norm)
        if not self.with_maximum:
            return features
        peak = (features == features.amax(dim=(2, 3), keepdim=True)).float()
        share = peak / peak.sum(dim=(2, 3), keepdim=True)
        places = features.shape[2] * features.shape[3]
        return torch.cat([features, features * share * places], dim=1)


def find_activation_maps(
    network: nn.Module, name: str, height_px: int, width_px: int
) -> ActivationMaps:
    """Look with one picture of noise where a network's class activation maps are.

    Args:
        network: of C logits; its mode and weights stay as they are.
        name: what to call it in a complaint.
        height_px, width_px: of its input.

    Raises:
        CdulEdgeError: its head does more than one linear layer does, or its last feature map is a
            single place at this size.
    """
    seen = _watch(network, height_px, width_px)
    found = list(_matches(seen))
    wide = [plan for plan, places in found if places > 1]
    if wide:
        return wide[-1]  # the one that is nearest to the head
    if found and not seen.pooled_early:
        raise CdulEdgeError(
            f"the last feature map of {name} is a single place at {height_px}x{width_px} px, which "
            "tells nothing of where: train with a larger --image-size"
        )
    raise CdulEdgeError(
        f"{name} has no class activation maps: its head is not one linear layer on the mean of a "
        f"feature map; {_HAVE_MAPS} have them"
    )


@dataclass
class _Seen:
    """What passed through a network: outputs by module, in the order in which they came.

    Attributes:
        head: name of the linear layer, if that is the head.
        given: (1, D) what the head was given; the network's own answer where it is no linear layer.
        maps: outputs (1, D, h, w) of the modules, with how many layers had run by then.
        norms: input and output of the layer norms.
        layers: names of the layers that learn, in the order in which they ran.
        whole: whether the head's answer is the network's: not where two heads are averaged.
    """

    head: str | None
    given: Tensor
    maps: list[tuple[str, Tensor, int]] = field(default_factory=list)
    norms: list[tuple[str, Tensor, Tensor]] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    whole: bool = True

    @property
    def pooled_early(self) -> bool:
        """Whether the last maps are of one place because the pooling comes before them.

        A stride alone takes 2 x 2 places to one, so one after 3 x 3 places or more was pooled.
        """
        places = [values.shape[2] * values.shape[3] for _, values, _ in self.maps]
        return next((count for count in reversed(places) if count > 1), 0) >= 9


def _matches(seen: _Seen) -> Iterator[tuple[ActivationMaps, int]]:
    """Every way to read the maps, with the number of places."""
    if not seen.whole:
        return
    norm, pooled = None, seen.given
    for name, before, after in seen.norms:
        if _same(after, seen.given):
            norm, pooled = name, before
    for features, values, done in seen.maps:
        # Blocks that start near the identity leave the mean as it was, and yet learn to change it.
        if set(seen.layers[done:]) - {seen.head, norm}:
            continue
        mean, places = values.mean(dim=(2, 3)), values.shape[2] * values.shape[3]
        if _same(mean, pooled):
            yield ActivationMaps(features, seen.head, norm, with_maximum=False), places
        elif norm is None and _same(torch.cat([mean, values.amax(dim=(2, 3))], dim=1), pooled):
            yield ActivationMaps(features, seen.head, None, with_maximum=True), places


def _watch(network: nn.Module, height_px: int, width_px: int) -> _Seen:
    """Send one picture of noise through."""
    *others, name = find_heads(network)
    linear = isinstance(network.get_submodule(name), nn.Linear)
    seen = _Seen(name if linear else None, torch.empty(0))
    answered: list[Tensor] = []

    def watch(module_name: str) -> Any:
        def note(module: nn.Module, given: tuple[Any, ...], answer: Any) -> None:
            if not list(module.children()) and list(module.parameters()):
                seen.layers.append(module_name)
            if isinstance(answer, Tensor) and answer.ndim == 4:
                seen.maps.append((module_name, answer, len(seen.layers)))
            if isinstance(module, nn.LayerNorm):
                seen.norms.append((module_name, given[0].flatten(1), answer.flatten(1)))
            if module_name == name:
                seen.given = given[0]
                answered.append(answer)

        return note

    parameter = next(network.parameters())
    draws = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 3, height_px, width_px, generator=draws).to(parameter.device)
    with ExitStack() as hooks, _evaluating(network):
        for module_name, module in network.named_modules():
            handle = module.register_forward_hook(watch(module_name))
            hooks.callback(handle.remove)
        answer = network(noise)
    if not linear:
        seen.given = answer
    else:
        seen.whole = not others and _same(answered[-1], answer)
    return seen


def _normalize(features: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Layer norm of (B, D, h, w) at every place, with the statistics of the mean over places."""
    pooled = features.mean(dim=(2, 3), keepdim=True)
    variance = pooled.var(dim=1, correction=0, keepdim=True)
    normal = (features - pooled.mean(dim=1, keepdim=True)) * torch.rsqrt(variance + norm.eps)
    weight, bias = norm.weight.float(), norm.bias.float()
    return normal * weight[:, None, None] + bias[:, None, None]


def _same(one: Tensor, other: Tensor) -> bool:
    """Equal up to rounding; of the largest value, as random networks can have tiny features."""
    slack = 1e-4 * float(other.abs().max())
    return one.shape == other.shape and bool(((one - other).abs() <= slack).all())


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; the mode is put back."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)
