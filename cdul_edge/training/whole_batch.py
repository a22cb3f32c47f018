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
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from cdul_edge.training.ranks import Ranks
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning


def answer_whole(network: Callable[[Tensor], Tensor], pictures: Tensor, ranks: Ranks) -> Tensor:
    """(B, C) logits of all the pictures (B, 3, H, W), of which each rank computes its share.

    Fewer than two a rank, which batch norms refuse, are computed by all.
    """
    rows = len(pictures)
    if rows < 2 * ranks.count:
        return join_shares(ranks.share(network(pictures)), rows, ranks)
    return join_shares(network(ranks.share(pictures)), rows, ranks)


def join_shares(own: Tensor, count: int, ranks: Ranks) -> Tensor:
    """(B, ...) rows of all ranks, from this one's share of them; only its own have a graph.

    Args:
        own: (b, ...) this rank's share of the batch.
        count: B, the pictures of the whole batch.
    """
    if ranks.count == 1:
        return own
    parts = list(ranks.gather_rows(own, count).tensor_split(ranks.count))
    parts[ranks.number] = own
    return torch.cat(parts)


def share_gradients(
    network: nn.Module, ranks: Ranks, *, leaves_some_out: bool = False
) -> nn.Module:
    """The network, whose gradients become the mean of all ranks' while they are computed.

    It holds for the parameters that learn now: after some were frozen or thawed, ask for it again.

    Args:
        leaves_some_out: some of them have no part in what the network answers.
    """
    if ranks.count == 1:
        return network
    with warnings.catch_warnings():
        # torch 2.14 renames the option, and earlier ones know no other name.
        warnings.simplefilter("ignore", FutureWarning)
        # Buffers written between two passes of one step would spoil the first one's gradients.
        return DistributedDataParallel(
            network, broadcast_buffers=False, find_unused_parameters=leaves_some_out
        )


def share_norms(network: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """The network with batch norms that take their statistics from the whole batch, on GPUs.

    PyTorch has them for GPUs only.
    """
    if ranks.count == 1 or device.type != "cuda":
        return network
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return converted


class SharedNetwork:
    """A network on this rank's pictures, whose gradients all ranks share."""

    def __init__(self, network: nn.Module, ranks: Ranks) -> None:
        self.network, self.ranks = network, ranks
        self._warned = False
        self._call: nn.Module = network

    def check_batches(self, smallest: int) -> None:
        """Raise `CdulEdgeError` where a batch is too small to be shared."""
        if self.ranks.count > 1 and smallest < 2 * self.ranks.count:
            raise CdulEdgeError(
                f"batches of {smallest} pictures cannot be shared by {self.ranks.count} processes, "
                "each of which needs two: start fewer with torchrun, or give a larger --batch-size"
            )

    def begin_epoch(self, input_shape: tuple[int, ...]) -> None:
        """Take up what the epoch trains: parameters that are frozen now are not exchanged.

        Args:
            input_shape: (3, H, W) of a picture.
        """
        if self.ranks.count == 1:
            return
        self.warn_of_norms()
        self._call = self.network  # frees the hooks of the epoch before
        self._call = share_gradients(
            self.network, self.ranks, leaves_some_out=self.leaves_some_out(input_shape)
        )

    def __call__(self, own: Tensor) -> Tensor:
        """(b, C) logits of this rank's pictures, (b, 3, H, W)."""
        answer: Tensor = self._call(own)
        return answer

    def end_epoch(self, average: nn.Module | None) -> None:
        """Agree on what was not exchanged: the statistics of norms, in a running mean, too."""
        for module in (self.network, average):
            if module is not None:
                self.ranks.average(list(module.buffers()))

    def leaves_some_out(self, input_shape: tuple[int, ...]) -> bool:
        """Whether a parameter that trains has no part in the answer, for which all would wait."""
        modes = [(module, module.training) for module in self.network.modules()]
        learning = [values for values in self.network.parameters() if values.requires_grad]
        self.network.eval()
        picture = torch.zeros((2, *input_shape), device=learning[0].device)
        found = torch.autograd.grad(self.network(picture).sum(), learning, allow_unused=True)
        for module, training in modes:
            module.training = training
        return any(gradient is None for gradient in found)

    def warn_of_norms(self) -> None:
        """Issue a `CdulEdgeWarning`, once, where batch norms learn and are not synchronized."""
        live = any(
            isinstance(module, _BatchNorm)
            and not isinstance(module, nn.SyncBatchNorm)
            and module.training
            for module in self.network.modules()
        )
        if live and not self._warned:
            self._warned = True
            warnings.warn(
                "batch norms take their statistics from each process's share of a batch, as "
                "PyTorch shares them on GPUs only: the result differs from that of one process; "
                "pretrained weights with --freeze-norms keep them still",
                CdulEdgeWarning,
                stacklevel=3,
            )
