"""Batches of pictures on the device that trains, read while it works on others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat, takewhile
from typing import TypeVar

import torch
from torch import Tensor

from cdul_edge.training.data.dataset import Pictures
from cdul_edge.training.transfer import bring
from cdul_edge_runtime.host.prefetch import work_ahead

# Batches that lie ready for a GPU; more would only take memory.
_AHEAD = 3

Item = TypeVar("Item")


def read_batches(
    pictures: Pictures, batches: Sequence[Tensor], device: torch.device
) -> Iterator[Tensor]:
    """For each (B,) int64 batch of picture numbers, (B, H, W, 3) uint8 RGB on the device.

    On a CPU a batch is read when it is asked for: the network takes all cores. A GPU leaves them
    to a thread that reads ahead, into memory that the GPU copies from by itself.
    """
    on_gpu = device.type == "cuda"
    read = pictures.batches(batches, pinned=on_gpu)
    return (bring(images, device) for images in (take_ahead(read, _AHEAD) if on_gpu else read))


def take_ahead(items: Iterator[Item], ahead: int) -> Iterator[Item]:
    """The items in their order, at most `ahead` of them made in a thread before they are taken."""
    tasks = repeat(partial(next, items, None))
    made = work_ahead(tasks, workers=1, ahead=ahead)
    return (item for item in takewhile(lambda item: item is not None, made) if item is not None)
