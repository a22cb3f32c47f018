"""The last layer: C logits in place of whatever a network classified before."""

from __future__ import annotations

import math

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
    bias = network.get_submodule(find_head(network)).bias
    assert isinstance(bias, nn.Parameter)
    nn.init.zeros_(bias)


def find_head(network: nn.Module) -> str:
    """Dotted name of the last linear layer, or of the last convolution where there is none.

    Raises:
        CdulEdgeError: the network has neither.
    """
    layers: list[tuple[str, nn.Module]] = list(network.named_modules())
    for kind in (nn.Linear, nn.Conv2d):  # SqueezeNet classifies with a 1x1 convolution
        found = [name for name, layer in layers if isinstance(layer, kind)]
        if found:
            return found[-1]
    raise CdulEdgeError(f"{type(network).__name__} has no linear layer to put the classes in")


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
