"""The image tower of a ResNet CLIP as a classifier, without its attention pooling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from cdul_edge.clip.files import DEMO_FOLDER
from cdul_edge.clip.models import load_clip
from cdul_edge.training.networks.heads import new_linear
from cdul_edge_runtime.errors import CdulEdgeError


class ClipTrunk(nn.Module):
    """ModifiedResNet, then mean and maximum over the picture side by side, then a linear layer.

    The mean sees how much of a class there is, the maximum sees one small thing; neither needs
    the position embedding that ties attention pooling to one input size. Both are plain
    reductions, which export to ONNX as they are.
    """

    def __init__(self, visual: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        visual.attnpool = nn.Identity()
        self.visual = visual
        self.head = head

    @classmethod
    def from_shape(cls, layers: list[int], width: int, classes: int) -> ClipTrunk:
        """The same network with random weights."""
        visual = ModifiedResNet(layers, output_dim=8, heads=1, image_size=32, width=width)
        return cls(visual, new_linear(2 * 32 * width, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Normalized (N, 3, H, W) to logits (N, C)."""
        features = self.visual(images)
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        logits: Tensor = self.head(pooled)
        return logits


@dataclass(frozen=True)
class LoadedTrunk:
    """A CLIP image tower with its shape and what its pictures must look like."""

    visual: nn.Module
    layers: tuple[int, ...]
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def features(self) -> int:
        """Channels of the last feature map."""
        return 32 * self.width


def load_clip_trunk(name: str, weights: str) -> LoadedTrunk:
    """Load `NAME[@pretrained]`; `weights` "none" or a file go before the tag.

    Raises:
        CdulEdgeError: an unknown CLIP, weights that are not available, or no ResNet tower.
    """
    architecture, _, tag = name.partition("@")
    bundled = architecture == "demo"
    if weights == "none":
        pretrained: str | None = "none"
    elif weights != "default":
        if not Path(weights).is_file():
            raise CdulEdgeError(
                f"--weights {weights} is not a file: clip networks take default, none or a file; "
                f"a tag is given as clip:{architecture}@TAG"
            )
        pretrained = weights
    elif tag:
        pretrained = tag
    else:
        pretrained = None if bundled or Path(architecture).exists() else "openai"
    if bundled and pretrained is not None:  # the bundled config with other weights
        architecture = str(DEMO_FOLDER)
    # Random weights follow the run's seed through torch's global generator.
    clip = load_clip(architecture, pretrained, seed=int(torch.randint(2**31 - 1, ()).item()))
    visual = clip.model.visual
    if not isinstance(visual, ModifiedResNet):
        raise CdulEdgeError(
            f"clip:{name} has a {type(visual).__name__} image tower: clip networks need a ResNet "
            "CLIP, such as clip:RN50"
        )
    visual.requires_grad_(True)
    blocks = (visual.layer1, visual.layer2, visual.layer3, visual.layer4)
    layers = tuple(len(block) for block in blocks)
    return LoadedTrunk(visual, layers, visual.conv3.out_channels, clip.mean, clip.std)
