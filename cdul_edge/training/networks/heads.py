"""The last layer: C logits in place of whatever a network classified before."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from cdul_edge_runtime.errors import CdulEdgeError


def new_linear(features: int, classes: int) -> nn.Linear:
    """A fresh head that gives every class a score of about 1 / C: little to unlearn."""
    head = nn.Linear(features, classes)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.constant_(head.bias, -math.log(max(1, classes - 1)))
    return head


def start_undecided(network: nn.Module) -> None:
    """Set the fresh head's biases to 0: every class starts with a score of about 1/2."""
    for name in find_heads(network):
        bias = network.get_submodule(name).bias
        if isinstance(bias, nn.Parameter):  # some of timm's have none: they start there anyway
            nn.init.zeros_(bias)


def find_heads(network: nn.Module) -> tuple[str, ...]:
    """Dotted names of the layers that give the logits.

    timm says which they are, and a network that was distilled has two, whose mean it answers with.
    Of other networks it is the last linear layer, or the last convolution where there is none.

    Raises:
        CdulEdgeError: the network has neither.
    """
    if hasattr(network, "get_classifier"):
        found = _timm_heads(network)
        if found:
            return found
    layers: list[tuple[str, nn.Module]] = list(network.named_modules())
    for kind in (nn.Linear, nn.Conv2d):  # SqueezeNet classifies with a 1x1 convolution
        names = [name for name, layer in layers if isinstance(layer, kind)]
        if names:
            return (names[-1],)
    raise CdulEdgeError(f"{type(network).__name__} has no linear layer to put the classes in")


def find_head(network: nn.Module) -> str:
    """The last of `find_heads`."""
    return find_heads(network)[-1]


def _timm_heads(network: Any) -> tuple[str, ...]:
    """The layers with one output per class inside what timm calls the classifier."""
    classifier = network.get_classifier()
    tops = classifier if isinstance(classifier, (tuple, list)) else (classifier,)
    inside = {id(layer) for top in tops if isinstance(top, nn.Module) for layer in top.modules()}
    return tuple(
        name
        for name, layer in network.named_modules()
        if id(layer) in inside and _outputs(layer) == network.num_classes
    )


def _outputs(layer: nn.Module) -> int | None:
    if isinstance(layer, nn.Linear):
        return layer.out_features
    return layer.out_channels if isinstance(layer, nn.Conv2d) else None


def reset_heads(network: nn.Module, classes: int) -> None:
    """Start the layers that give the logits as `new_linear` does."""
    for name in find_heads(network):
        layer = network.get_submodule(name)
        assert isinstance(layer, (nn.Linear, nn.Conv2d))
        nn.init.normal_(layer.weight, std=0.01)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, -math.log(max(1, classes - 1)))


def replace_classifier(network: nn.Module, classes: int) -> str:
    """Put C logits in place of the head; returns its dotted name."""
    name = find_head(network)
    old = network.get_submodule(name)
    if isinstance(old, nn.Linear):
        fresh: nn.Module = new_linear(old.in_features, classes)
    else:
        assert isinstance(old, nn.Conv2d)
        fresh = nn.Conv2d(old.in_channels, classes, kernel_size=1)
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, fresh)
    return name
