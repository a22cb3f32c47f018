"""Which number format trains faster on this CPU: a few steps of each, before the run begins.

bfloat16 multiplies twice as fast where the processor can, and costs conversions; which counts for
more depends on the network. The trial works on a copy of the network and with random numbers of its
own, so that a run is the same as if its precision had been asked for by name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdul_edge.training.config import Precision, TrainConfig
from cdul_edge.training.optimization import autocast, begin_epoch, make_optimizer
from cdul_edge_runtime.pictures.preprocess import Preprocess

# bf16 has to be that much faster: less may be chance.
_MARGIN = 1.05
_BATCH = 8  # pictures of a step, at most: larger batches favor bf16 a little more
_ROUNDS = (3, 15)  # at least, at most
_ENOUGH_S = 1.0
_PATIENCE_S = 10.0  # after which one round is enough: of steps that long, chance changes little

Clock = Callable[[], float]


@dataclass(frozen=True)
class PrecisionTrial:
    """What a step took in each format.

    Attributes:
        fp32_s: Seconds of the fastest step in float32: other programs only ever add to it.
        bf16_s: In bfloat16; None where the network cannot compute in it.
    """

    fp32_s: float
    bf16_s: float | None

    @property
    def choice(self) -> Precision:
        """bf16 where it is at least 5 % faster."""
        faster = self.bf16_s is not None and self.fp32_s >= _MARGIN * self.bf16_s
        return "bf16" if faster else "fp32"

    def describe(self) -> str:
        """One line with the figures and the choice."""
        fp32 = f"fp32 {1000 * self.fp32_s:.1f} ms"
        if self.bf16_s is None:
            return f"precision auto: {self.choice}; this network cannot compute in bf16"
        return (
            f"precision auto: {self.choice}; a step took {fp32}, bf16 {1000 * self.bf16_s:.1f} ms"
        )


def try_precisions(
    network: nn.Module,
    preprocess: Preprocess,
    config: TrainConfig,
    *,
    pictures: int,
    clock: Clock = perf_counter,
) -> PrecisionTrial:
    """Time steps of a copy of the network on this CPU, the formats taking turns.

    Args:
        network: C logits of (B, 3, H, W); it stays as it is, and so does every random generator.
        config: of the run; its last epoch, in which most of the network learns, is what is timed.
        pictures: of the run: a step shows no more, and no more than a batch, or eight.
        clock: seconds.
    """
    count = max(2, min(_BATCH, config.batch_size, pictures))
    draws = torch.Generator().manual_seed(config.seed)
    shape = (count, 3, preprocess.height_px, preprocess.width_px)
    images = torch.randn(shape, generator=draws).contiguous(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]):
        step = _make_step(network, images, config)
        step("fp32")
        try:
            step("bf16")
        except (RuntimeError, NotImplementedError):
            return PrecisionTrial(_time(step, "fp32", clock), None)
        seconds: dict[Precision, list[float]] = {"fp32": [], "bf16": []}
        least, most = _ROUNDS
        for done in range(most):
            spent = sum(map(sum, seconds.values()))
            if spent >= (_ENOUGH_S if done >= least else _PATIENCE_S):
                break
            for precision, times in seconds.items():
                times.append(_time(step, precision, clock))
    return PrecisionTrial(min(seconds["fp32"]), min(seconds["bf16"]))


def _make_step(
    network: nn.Module, images: Tensor, config: TrainConfig
) -> Callable[[Precision], None]:
    """Forward, loss, backward and optimizer of a copy, in the format that is asked for."""
    tried = copy.deepcopy(network).to(memory_format=torch.channels_last)
    # A rate of next to nothing: the copy stays where numbers are as they are in training.
    optimizer = make_optimizer(tried, replace(config, learning_rate=1e-12))
    begin_epoch(tried, optimizer, config, epoch=config.epochs)
    cpu = images.device

    def step(precision: Precision) -> None:
        with autocast(cpu, precision):
            logits = tried(images)
        targets = torch.full_like(logits, 0.1, dtype=torch.float32)
        loss = F.binary_cross_entropy_with_logits(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _time(step: Callable[[Precision], None], precision: Precision, clock: Clock) -> float:
    started = clock()
    step(precision)
    return clock() - started
