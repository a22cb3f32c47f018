"""What the loop asks of a training method; it knows none by name."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Method(Protocol):
    """Owns the labels that the network learns from.

    Attributes:
        targets: (N, C) float32 in [0, 1] on the CPU; row i belongs to picture i. It changes
            between epochs only, so that an epoch does not depend on the order of its batches.
    """

    targets: Tensor

    def loss(self, logits: Tensor, targets: Tensor, indices: Tensor) -> Tensor:
        """A scalar to minimise.

        Args:
            logits: (B, C) float32.
            targets: (B, C) the rows `indices` of `self.targets`, on the device of `logits`.
            indices: (B,) int64 picture numbers on the CPU.
        """
        ...

    def wants_logits(self, epoch: int) -> bool:
        """Whether `after_epoch` needs the logits of the whole training set (epochs from 1)."""
        ...

    def after_epoch(self, epoch: int, logits: Tensor | None) -> dict[str, float | str]:
        """Revise the targets; returns what to log.

        Args:
            epoch: the epoch that just ended, from 1.
            logits: (N, C) float32 on the CPU, eval mode, unaugmented pictures; None where
                `wants_logits` said no.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, enough to go on from here."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        ...


def harden(scores: Tensor) -> Tensor:
    """Soft labels (N, C) to 0 or 1: at 0.5, plus the best class of a row that would be empty."""
    hard = scores >= 0.5
    empty = ~hard.any(dim=1)
    best = scores.argmax(dim=1)
    hard[empty, best[empty]] = True
    return hard.to(torch.float32)


def binary_entropy(labels: Tensor) -> Tensor:
    """Entropy in nats of each entry in [0, 1]; exactly 0 at 0 and 1."""
    return -(torch.xlogy(labels, labels) + torch.xlogy(1 - labels, 1 - labels))
