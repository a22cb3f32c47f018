"""The end of a run whose numbers left what a float can hold."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cdul_edge.training.config import TrainConfig
from cdul_edge_runtime.errors import CdulEdgeError


def sum_losses(
    losses: list[Tensor], config: TrainConfig, *, done: int, first: int, steps: int
) -> Tensor:
    """The sum of (2,) losses of steps, whose first number says what was minimized.

    Args:
        losses: of consecutive steps.
        config: of the run.
        done: epochs before the one that runs.
        first: number of the first of these steps in its epoch, from 1.
        steps: of the epoch.

    Raises:
        CdulEdgeError: one is not finite.
    """
    if not losses:
        return torch.zeros(2, dtype=torch.float64)
    found = torch.stack(losses).double().cpu()
    broken = (~found[:, 0].isfinite()).nonzero()
    if len(broken):
        number = first + int(broken[0])
        what = f"the loss is not finite since epoch {done + 1}, step {number} of {steps}"
        raise _diverged(what, config, done)
    return found.sum(dim=0)


def check_weights(network: nn.Module, config: TrainConfig, *, done: int) -> None:
    """Raise `CdulEdgeError` where a weight is not finite after the epoch that follows `done`."""
    state = network.state_dict()
    # One answer for all: to ask for each tensor's would stop a GPU as often.
    sound = torch.stack([values.isfinite().all() for values in state.values()])
    if not bool(sound.all()):
        name = list(state)[int(sound.int().argmin())]
        what = f"the weights are not finite since epoch {done + 1} ({name})"
        raise _diverged(what, config, done)


def _diverged(what: str, config: TrainConfig, done: int) -> CdulEdgeError:
    kept = f"the checkpoint of epoch {done} is kept" if done else "no epoch was done"
    return CdulEdgeError(
        f"{what}; {kept}: train again into another --out with a lower --learning-rate (now "
        f"{config.learning_rate:g}), with --gradient-clip 1, or with --precision fp32"
    )
