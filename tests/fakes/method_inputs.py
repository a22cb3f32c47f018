"""What a method is given, made of a few numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor

from cdul_edge.training.methods.base import AnyMethod, Regions, Step, Supervision


def know(
    scores: Tensor,
    observed: Tensor | None = None,
    *,
    cosines: Tensor | None = None,
    hard: bool = False,
    epochs: int = 10,
) -> Supervision:
    """Pseudo-labels, and nothing observed unless it is given."""
    none = torch.zeros(scores.shape, dtype=torch.int8)
    return Supervision(
        scores=scores,
        observed=none if observed is None else observed.to(torch.int8),
        cosines=cosines,
        hard=hard,
        epochs=epochs,
    )


def take(logits: Tensor, indices: Tensor | None = None, *, epoch: int = 1, seed: int = 0) -> Step:
    """A step on logits (B, C) of the first B pictures; the "network" averages each picture.

    The pictures are (B, C, 1, 1) with the logits as their pixels, so that another pass through the
    network gives the logits again, and a mixed picture the mixed logits.
    """
    pictures = logits[:, :, None, None]
    return Step(
        logits=logits,
        indices=torch.arange(len(logits)) if indices is None else indices,
        epoch=epoch,
        images=pictures,
        network=lambda images: images.mean(dim=(2, 3)),
        another_view=lambda: pictures,
        draws=torch.Generator().manual_seed(seed),
    )


class Ended:
    """The end of an epoch in which the network gave these logits, (N, C); None refuses to tell.

    CLIP, asked to look, contradicts the network where a picture's regions are wanted.
    """

    def __init__(self, logits: Tensor | None = None) -> None:
        self._logits, self.asked = logits, False

    def logits(self) -> Tensor:
        self.asked = True
        assert self._logits is not None, "nothing is to be revised after this epoch"
        return self._logits

    def look(self, regions: Regions) -> Tensor:
        looked_at = regions.wanted.any(dim=1, keepdim=True)
        return torch.softmax(-self.logits(), dim=1) * looked_at


def asking_epochs(method: AnyMethod, epochs: Iterable[int]) -> list[int]:
    """The epochs after which a method asks for the logits of all pictures; it stays as it is."""
    asking = []
    for epoch in epochs:
        ended = Ended(torch.zeros_like(method.targets))
        copy.deepcopy(method).after_epoch(epoch, ended)
        if ended.asked:
            asking.append(epoch)
    return asking
