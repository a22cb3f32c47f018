"""A batch that ranks share out among themselves, and the whole of it that each one's loss sees.

The loss of a batch of B pictures is a function L(z) of all their logits z, (B, C). Each rank
computes the rows of its share, takes those of the others as numbers, and so finds the same L. Its
gradient with respect to the weights w goes through its own rows alone, and those of all ranks sum
to

    sum over ranks  sum over i of its share  dL/dz_i dz_i/dw  =  dL/dw

which is that of one process, whatever L is, and however uneven the shares are. What a rank's loss
writes down of a batch is the same on every rank, and of the whole batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cdul_edge.training.ranks import Ranks


def answer_whole(network: Callable[[Tensor], Tensor], pictures: Tensor, ranks: Ranks) -> Tensor:
    """(B, C) logits of all the pictures (B, 3, H, W), of which each rank computes its share."""
    return join_shares(network(ranks.share(pictures)), len(pictures), ranks)


def join_shares(own: Tensor, count: int, ranks: Ranks) -> Tensor:
    """(B, ...) rows of all ranks, from this one's share of them; only its own have a graph.

    Args:
        own: (b, ...) this rank's share of the batch.
        count: B, the pictures of the whole batch.
    """
    if ranks.count == 1:
        return own
    numbers = torch.arange(count)
    parts = list(ranks.gather_rows(own, numbers).tensor_split(ranks.count))
    parts[ranks.number] = own
    return torch.cat(parts)


def share_gradients(network: nn.Module, ranks: Ranks) -> nn.Module:
    """The network, whose gradients become the mean of all ranks' while they are computed.

    It holds for the parameters that learn now: after some were frozen or thawed, ask for it again.
    """
    if ranks.count == 1:
        return network
    with warnings.catch_warnings():
        # torch 2.14 renames the option, and earlier ones know no other name.
        warnings.simplefilter("ignore", FutureWarning)
        # Buffers written between two passes of one step would spoil the first one's gradients.
        return DistributedDataParallel(network, broadcast_buffers=False)
