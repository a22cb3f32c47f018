"""Changes to whole batches that leave every picture whole, or nearly so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.transfer import bring
from cdul_edge_runtime.pictures.preprocess import Preprocess

# ITU-R BT.601 luma: what gray a color is.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class RowDraws:
    """Random numbers for the rows of a batch; those of a part are what the whole would give them.

    Attributes:
        generator: On the CPU; it gives numbers for the whole batch, whatever part is asked for.
        batch: Rows of the whole batch; None where no row is left out.
        part: Which of them are asked for; None is all.
    """

    generator: Generator
    batch: int | None = None
    part: slice | None = None

    def uniform(self, rows: int, *shape: int) -> Tensor:
        """(rows, *shape) in [0, 1)."""
        drawn = torch.rand(self.batch or rows, *shape, generator=self.generator)
        return drawn if self.part is None else drawn[self.part]


def move_pixels(images: Tensor, config: TrainConfig, draws: RowDraws) -> Tensor:
    """Mirror and shift each picture on its own.

    A shift is at most `config.shift` of the side, and the gap shows the picture's own reflection:
    at least (1 - shift)^2 of every picture stays, so that its labels stay true.

    Args:
        images: (B, H, W, 3) uint8, on any device.
        draws: for the pictures of the batch.
    """
    if config.shift == 0 and not config.flip:
        return images
    count, height, width, _ = images.shape
    mirrored = draws.uniform(count) < 0.5
    offsets = config.shift * (2 * draws.uniform(count, 2) - 1)
    rows = _shifted(height, (offsets[:, 0] * height).round().long())
    columns = _shifted(width, (offsets[:, 1] * width).round().long())
    if config.flip:
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    which = torch.arange(count, device=images.device)
    rows, columns = bring(rows, images.device), bring(columns, images.device)
    return images[which[:, None, None], rows[:, :, None], columns[:, None, :]]


def to_network(images: Tensor, preprocess: Preprocess) -> Tensor:
    """(B, H, W, 3) uint8 to normalized float32 (B, 3, H, W), channels last in memory."""
    return _normalize(images.to(torch.float32), preprocess)


def recolor(images: Tensor, preprocess: Preprocess, config: TrainConfig, draws: RowDraws) -> Tensor:
    """`to_network`, with brightness, contrast, saturation and channel order changed at random.

    All of it is one affine map of each picture's RGB values, which are then cut to their range.

    Args:
        images: (B, H, W, 3) uint8, on any device.
        draws: for the pictures of the batch.
    """
    if config.color == 0 and config.shuffle_colors == 0:
        return to_network(images, preprocess)
    count = len(images)
    strength = 0.5 * config.color * (2 * draws.uniform(count, 3) - 1)
    brightness, contrast, saturation = strength.view(count, 3, 1, 1).unbind(1)
    order = draws.uniform(count, 3).argsort(dim=1)
    shuffled = draws.uniform(count, 1) < config.shuffle_colors
    swap = torch.eye(3)[torch.where(shuffled, order, torch.arange(3))]  # (B, 3, 3)
    # Saturation s moves a color away from its gray: (1 + s) x - s luma(x).
    saturate = torch.eye(3) * (1 + saturation) - saturation * torch.tensor(_LUMA).expand(3, 3)
    matrix = (1 + contrast) * (saturate @ swap)
    shift = 255 * 0.5 * (brightness - contrast).expand(count, 1, 3)
    pixels = images.to(torch.float32).flatten(1, 2)  # (B, H W, 3)
    changed = torch.baddbmm(bring(shift, pixels.device), pixels, bring(matrix.mT, pixels.device))
    return _normalize(changed.clamp_(0, 255).view(images.shape), preprocess)


def zoom(images: Tensor, config: TrainConfig, draws: RowDraws) -> Tensor:
    """Show each picture through a window of its own, larger or smaller than the picture.

    Each side of the window, as a share of the picture's, is drawn evenly on a logarithmic scale
    between sqrt(1 - zoom_in) and 1 / sqrt(1 - zoom_out), and its place evenly where it lies within
    the picture, or the picture within it. So at least 1 - zoom_in of every picture stays, and its
    labels stay true; where the window ends outside, it shows the picture's reflection.

    Args:
        images: (B, 3, H, W) float32, on any device.
        draws: for the pictures of the batch.
    """
    if config.zoom_in == 0 and config.zoom_out == 0:
        return images
    count = len(images)
    low, high = math.log(1 - config.zoom_in) / 2, -math.log(1 - config.zoom_out) / 2
    sides = torch.exp(low + (high - low) * draws.uniform(count, 2))
    # affine_grid's coordinates run from -1 to 1 across the picture, x first.
    places = (1 - sides) * (2 * draws.uniform(count, 2) - 1)
    windows = torch.cat([torch.diag_embed(sides), places[..., None]], dim=2)
    grid = F.affine_grid(bring(windows, images.device), list(images.shape), align_corners=False)
    shown = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return shown.contiguous(memory_format=torch.channels_last)


def _shifted(side: int, offsets: Tensor) -> Tensor:
    """(B, side) source positions of each shifted line, reflected at both ends."""
    positions = (torch.arange(side)[None, :] + offsets[:, None]).abs()
    return (side - 1) - ((side - 1) - positions).abs()


def _normalize(pixels: Tensor, preprocess: Preprocess) -> Tensor:
    """(B, H, W, 3) float32 values of 0 to 255, changed in place."""
    mean, std = _constants(preprocess, pixels.device)
    return pixels.mul_(1 / (255 * std)).sub_(mean / std).permute(0, 3, 1, 2)


@lru_cache
def _constants(preprocess: Preprocess, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, (3,) each: made anew, they would stop a GPU at every batch."""
    return torch.tensor(preprocess.mean, device=device), torch.tensor(preprocess.std, device=device)
