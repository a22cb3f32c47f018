"""The local-global convolution of PU-MLC: a 3x3 convolution that also knows the whole picture.

    conv(x) + G(x),    G(x) = norm(project(x + o))

Each of n heads softly gathers the values of its channels over the picture into one vector (maps
A), and hands it out again where it is wanted (maps D), o = D times that vector. G starts at about
1e-4 of a normalized output, so that a trained network stays what it was. Everything is as in the
authors' code, except that its norm is frozen at mean 0 and variance 1 there; here it learns.
"""

from __future__ import annotations

from typing import Literal

import torch
from open_clip.modified_resnet import Bottleneck as ClipBottleneck
from timm.models.resnet import BasicBlock as TimmBasicBlock
from timm.models.resnet import Bottleneck as TimmBottleneck
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from cdul_edge_runtime.errors import CdulEdgeError

Norm = Literal["batch", "scale"]

BRANCH = ".context."  # stands in the names of G's weights, and of no other
HEADS = 8
REDUCTION = 4
# Of the norm's first weights: the paper says "scale 0.0001", the code draws with this deviation.
_FIRST_SCALE = 1e-4

_BLOCKS = (BasicBlock, Bottleneck, TimmBasicBlock, TimmBottleneck, ClipBottleneck)


class ChannelScale(nn.Module):
    """One learned factor per channel: batch norm with mean 0, variance 1 and no offset."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return features * self.weight[:, None, None]


class GlobalContext(nn.Module):
    """G(x): (N, Ci, H, W) to (N, Co, H / stride, W / stride), H and W rounded up."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int], norm: Norm) -> None:
        super().__init__()
        reduced = inputs // REDUCTION
        self.reduce = nn.Conv2d(inputs, reduced, 1)
        self.gather = nn.Conv2d(2 * reduced, HEADS, 1)
        self.spread = nn.Conv2d(2 * reduced, HEADS, 1)
        self.values = nn.Conv2d(inputs, inputs, 1)
        self.project = nn.Conv2d(inputs, outputs, 1, stride)
        self.norm = nn.BatchNorm2d(outputs) if norm == "batch" else ChannelScale(outputs)
        nn.init.normal_(self.norm.weight, std=_FIRST_SCALE)

    def maps(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """A and D, (N, heads, H W) each: A sums to 1 over the picture, D lies in (0, 1)."""
        local = torch.relu(self.reduce(features))
        overall = local.mean(dim=(2, 3), keepdim=True).expand_as(local)
        both = torch.cat([local, overall], dim=1)
        return self.gather(both).flatten(2).softmax(dim=2), self.spread(both).flatten(2).sigmoid()

    def context(self, features: Tensor) -> Tensor:
        """o, (N, Ci, H, W): what each head gathered, spread over the picture again."""
        gather, spread = self.maps(features)
        _, channels, height, width = features.shape
        by_head = (-1, HEADS, channels // HEADS, height * width)
        values = self.values(features).reshape(by_head)
        gathered = values @ gather.unsqueeze(3)  # (N, heads, Ci / heads, 1)
        handed_out: Tensor = gathered @ spread.unsqueeze(2)
        return handed_out.reshape(-1, channels, height, width)

    def forward(self, features: Tensor) -> Tensor:
        """G(x) of the module's docstring."""
        added: Tensor = self.norm(self.project(features + self.context(features)))
        return added


class LocalGlobalConv(nn.Conv2d):
    """A convolution with G beside it; its own weights keep their names, so checkpoints fit."""

    def __init__(self, plain: nn.Conv2d, norm: Norm) -> None:
        stride, dilation = _pair(plain.stride), _pair(plain.dilation)
        super().__init__(
            plain.in_channels, plain.out_channels, 3, stride, dilation, dilation, plain.groups,
            bias=plain.bias is not None, device="meta",
        )  # fmt: skip
        self.weight, self.bias = plain.weight, plain.bias
        self.context = GlobalContext(plain.in_channels, plain.out_channels, stride, norm)

    def forward(self, features: Tensor) -> Tensor:
        """(N, Ci, H, W) to (N, Co, H', W') of the plain convolution."""
        added: Tensor = super().forward(features) + self.context(features)
        return added


def add_global_context(network: nn.Module, name: str, norm: Norm = "batch") -> int:
    """Put a `LocalGlobalConv` for each 3x3 convolution of the residual blocks, weights kept.

    Those whose channels do not divide by the heads stay. G's weights come from torch's global
    generator.

    Args:
        name: what the user calls the network.

    Returns:
        How many were replaced.

    Raises:
        CdulEdgeError: the network has none.
    """
    blocks = [module for module in network.modules() if isinstance(module, _BLOCKS)]
    count = 0
    for block in blocks:
        for attribute, layer in list(block.named_children()):
            if isinstance(layer, nn.Conv2d) and _fits(layer):
                setattr(block, attribute, LocalGlobalConv(layer, norm))
                count += 1
    if not count:
        raise CdulEdgeError(
            f"--local-global changes the 3x3 convolutions of residual blocks, and {name} has none "
            f"whose channels divide by {HEADS}: choose a ResNet, such as resnet50, timm:resnet50d "
            "or clip:RN50"
        )
    return count


def _fits(layer: nn.Conv2d) -> bool:
    """Whether it is 3x3 with the padding that G's 1x1 at the same stride agrees with."""
    same_size = tuple(layer.padding) == tuple(layer.dilation)
    return layer.kernel_size == (3, 3) and same_size and layer.in_channels % HEADS == 0


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values[0], values[1]
