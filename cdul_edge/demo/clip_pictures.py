"""Captioned pictures as the tiny CLIP's training needs them: painted once, altered at each use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from torch import Tensor

from cdul_edge.demo.pictures import CaptionedPicture, paint_empty, paint_single, picture_seed
from cdul_edge.demo.world import worthwhile_workers
from cdul_edge_runtime.host.workers import map_in_workers

SIZE_PX = 64
# Painted smaller or larger and resized: a tile of a scene is soft, a shrunk scene is crisp.
PAINTED_SIZES_PX = (40, 48, 64, 80)


@dataclass(frozen=True)
class ClipPictures:
    """Captioned pictures in memory.

    Attributes:
        pixels: (N, 3, H, W) uint8.
        classes: (N,) int64, the dominant thing's; NO_CLASS where there is none.
        tokens: (N, L) int64, the captions.
    """

    pixels: Tensor
    classes: Tensor
    tokens: Tensor


def paint_clip_pictures(
    tokenizer: SimpleTokenizer,
    *,
    seed: int,
    stream: str,
    count: int,
    companion_chance: float,
    empty_chance: float = 0.0,
) -> ClipPictures:
    """Paint the first `count` captioned pictures of a stream (see `picture_seed`).

    Args:
        companion_chance: of much smaller things beside the captioned one.
        empty_chance: of a picture that shows none.
    """
    seeds = [picture_seed(seed, stream, index) for index in range(count)]
    paint = partial(_paint_one, companion_chance=companion_chance, empty_chance=empty_chance)
    workers = worthwhile_workers(count)
    painted = list(map_in_workers(paint, seeds, workers=workers, chunk=250))
    pixels = torch.from_numpy(np.stack([picture.image for picture in painted]))
    return ClipPictures(
        pixels=pixels.permute(0, 3, 1, 2).contiguous(),
        classes=torch.tensor([picture.class_index for picture in painted]),
        tokens=tokenizer([picture.caption for picture in painted]),
    )


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Flip half of them, shift all by up to 4 px, change contrast and brightness; standardized."""
    count = len(pixels)
    images = pixels.float() / 255
    flipped = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    images = torch.where(flipped, images.flip(3), images)
    down, right = torch.randint(-4, 5, (2,), generator=generator).tolist()
    images = images.roll((down, right), (2, 3))
    contrast, brightness = torch.rand(2, count, 1, 1, 1, generator=generator) - 0.5
    images = images * (1 + 0.3 * contrast) + 0.2 * brightness
    return _standardize(images.clamp(0, 1))


def network_input(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 to what the image tower takes: float32, by CLIP's mean and deviation."""
    return _standardize(pixels.float() / 255)


def _standardize(images: Tensor) -> Tensor:
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def _paint_one(seed: int, companion_chance: float, empty_chance: float) -> CaptionedPicture:
    rng = np.random.default_rng((seed, 1))  # another stream than the painter's own
    size_px = PAINTED_SIZES_PX[rng.integers(len(PAINTED_SIZES_PX))]
    if rng.random() < empty_chance:
        picture = paint_empty(seed, size_px)
    else:
        picture = paint_single(seed, size_px, companion_chance=companion_chance)
    if size_px == SIZE_PX:
        return picture
    image = Image.fromarray(picture.image).resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC)
    return CaptionedPicture(np.asarray(image), picture.class_index, picture.caption)
