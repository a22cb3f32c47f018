"""From the CPU to the device that trains, without a wait."""

from __future__ import annotations

import torch
from torch import Tensor


def bring(values: Tensor, device: torch.device) -> Tensor:
    """`values` on the device; nobody waits until they are there.

    A GPU copies by itself only from pinned memory. From any other, the program would have to wait
    until the GPU has done all that it was given before.
    """
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
