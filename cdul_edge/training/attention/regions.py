"""The place of a picture that a class activation map points at, as a box.

Boxes are shares of the network's input (left, top, right, bottom in [0, 1]) until the picture
itself is at hand, as its size is known only then.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge_runtime.pictures.preprocess import Preprocess

PixelBox = tuple[int, int, int, int]


def region_boxes(
    maps: Tensor, height_px: int, width_px: int, *, share: float, grow: float
) -> Tensor:
    """Where maps are highest.

    A map is enlarged to the input's size and stretched to [0, 1]; its box is the bounding
    rectangle of what is at least `share`, grown on every side by `grow` times that side of the
    input, and clipped at the border. A map that is the same everywhere has the whole input as its
    box.

    Args:
        maps: (K, h, w).

    Returns:
        (K, 4) left, top, right, bottom in [0, 1].
    """
    large = F.interpolate(
        maps[:, None], size=(height_px, width_px), mode="bilinear", align_corners=False
    )[:, 0]
    low, high = large.amin(dim=(1, 2), keepdim=True), large.amax(dim=(1, 2), keepdim=True)
    inside = large - low >= share * (high - low)
    left, right = _ends(inside.any(dim=1))
    top, bottom = _ends(inside.any(dim=2))
    edges = [left - grow, top - grow, right + grow, bottom + grow]
    return torch.stack(edges, dim=1).clamp(0.0, 1.0)


def shown_frame(preprocess: Preprocess, width_px: int, height_px: int) -> tuple[float, ...]:
    """What of a picture of this size the network's input shows, in the picture's pixels.

    Returns:
        left, top, width, height; beyond the picture where it is padded ("letterbox").
    """
    if preprocess.resize == "squash":
        return 0.0, 0.0, float(width_px), float(height_px)
    scales = preprocess.width_px / width_px, preprocess.height_px / height_px
    scale = min(scales) if preprocess.resize == "letterbox" else max(scales)
    if preprocess.resize == "center":
        scale /= preprocess.crop
    width, height = preprocess.width_px / scale, preprocess.height_px / scale
    return (width_px - width) / 2, (height_px - height) / 2, width, height


def to_pixels(
    box: tuple[float, ...], preprocess: Preprocess, width_px: int, height_px: int
) -> PixelBox | None:
    """The pixels of a picture that a box of the network's input covers, clipped at its border.

    Returns:
        left, top, right, bottom, the last two outside; None where the box shows padding only.
    """
    left, top, width, height = shown_frame(preprocess, width_px, height_px)
    x0, x1 = (left + share * width for share in (box[0], box[2]))
    y0, y1 = (top + share * height for share in (box[1], box[3]))
    # 1e-4 px is rounding, not a pixel more
    columns = max(0, math.floor(x0 + 1e-4)), min(width_px, math.ceil(x1 - 1e-4))
    rows = max(0, math.floor(y0 + 1e-4)), min(height_px, math.ceil(y1 - 1e-4))
    if columns[0] >= columns[1] or rows[0] >= rows[1]:
        return None
    return columns[0], rows[0], columns[1], rows[1]


def _ends(inside: Tensor) -> tuple[Tensor, Tensor]:
    """Start of the first and end of the last True of each row of (K, n), as shares of n; (K,)."""
    count = inside.shape[1]
    first = inside.int().argmax(dim=1)
    last = count - inside.flip(1).int().argmax(dim=1)
    return first / count, last / count
