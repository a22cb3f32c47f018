"""The network as the device sees it: pixels in, scores out."""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.pictures.images import PictureList, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess


class Deploy(nn.Module):
    """A trained network with its normalization before it and the sigmoid after it.

    Takes (N, H, W, 3) uint8 RGB, gives (N, C) float32 scores. The given network is copied, and of
    timm's networks the branches that only training needs (RepVGG's, MobileOne's, FastViT's) are
    merged into one convolution each.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.network = _prepare_timm(copy.deepcopy(network))
        mean = torch.tensor(preprocess.mean, dtype=torch.float64)
        std = torch.tensor(preprocess.std, dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * std)).float().reshape(1, 3, 1, 1))
        self.register_buffer("shift", (-mean / std).float().reshape(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, H, W, 3) uint8 RGB to (N, C) scores in [0, 1]."""
        # Cast before transpose: TensorRT takes uint8 as a network's input and nowhere else.
        pixels = images.to(torch.float32).permute(0, 3, 1, 2)
        logits = self.network(pixels * self.scale + self.shift)
        return torch.sigmoid(logits)


def _prepare_timm(network: nn.Module) -> nn.Module:
    """Merge branches, and write attention out, in place; networks of others stay as they are."""
    if not type(network).__module__.startswith("timm."):
        return network
    from timm.utils import reparameterize_model

    for module in network.modules():
        if hasattr(module, "fused_attn"):  # torch takes the fused one apart with other strides
            vars(module)["fused_attn"] = False
    merged: nn.Module = reparameterize_model(network.eval(), inplace=True)
    return merged


def torch_scores(
    network: nn.Module, preprocess: Preprocess, images: torch.Tensor, *, batch_size: int = 8
) -> torch.Tensor:
    """Scores of the network as it was trained, which the exported graph must repeat.

    Normalizes the way training does, and shares no code with `Deploy`.

    Args:
        images: (K, H, W, 3) uint8 RGB.

    Returns:
        (K, C) float32.
    """
    mean = torch.tensor(preprocess.mean).reshape(1, 3, 1, 1)
    std = torch.tensor(preprocess.std).reshape(1, 3, 1, 1)
    with torch.inference_mode():
        return torch.cat(
            [
                torch.sigmoid(network((chunk.permute(0, 3, 1, 2).float() / 255 - mean) / std))
                for chunk in torch.split(images, batch_size)
            ]
        )


def score_pictures(
    network: nn.Module, preprocess: Preprocess, pictures: PictureList, *, batch_size: int = 16
) -> tuple[npt.NDArray[np.float32], list[str], list[ImageError]]:
    """PyTorch's scores of picture files, a batch in memory at a time.

    Returns:
        (M, C) float32 scores, the M paths as the list has them, and what could not be read.

    Raises:
        CdulEdgeError: no picture can be read.
    """
    scores: list[npt.NDArray[np.float32]] = []
    paths: list[str] = []
    unreadable: list[ImageError] = []
    for start in range(0, len(pictures), batch_size):
        inputs = []
        for index in range(start, min(start + batch_size, len(pictures))):
            try:
                inputs.append(preprocess.apply(open_image(pictures.absolute(index))))
            except ImageError as error:
                unreadable.append(error)
            else:
                paths.append(pictures.paths[index])
        if inputs:
            images = torch.from_numpy(np.stack(inputs))
            scores.append(torch_scores(network, preprocess, images).numpy())
    if not scores:
        raise CdulEdgeError(f"no picture can be read ({unreadable[0]}): check the folder")
    return np.concatenate(scores), paths, unreadable
