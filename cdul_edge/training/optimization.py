"""Optimizer, learning rate and number format of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cdul_edge.launcher import Launch
from cdul_edge.training.config import Precision, TrainConfig
from cdul_edge.training.networks.depthwise import DepthwiseInBfloat16
from cdul_edge.training.networks.heads import find_heads
from cdul_edge.training.networks.local_global import BRANCH
from cdul_edge_runtime.errors import CdulEdgeError

_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum; biases and norms do not decay, the head is faster."""
    head = {id(p) for layer in _heads(network) for p in layer.parameters()}
    groups = []
    for in_head in (False, True):
        for decays in (False, True):
            chosen = [
                p
                for p in network.parameters()
                if p.requires_grad and (id(p) in head) == in_head and (p.ndim > 1) == decays
            ]
            rate = config.learning_rate * (config.head_rate_multiplier if in_head else 1.0)
            decay = config.weight_decay if decays else 0.0
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    if config.optimizer == "sgd":
        # Not fused: its momentum would begin with what lies in memory where the first gradients of
        # fp16 overflow, and it cannot take up parameters that were frozen until now.
        return torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0)
    # One kernel in place of a dozen, and no wait for whether a gradient of fp16 overflowed; on a
    # CPU the results of former runs stay as they were.
    on_gpu = all(parameter.is_cuda for parameter in network.parameters())
    return torch.optim.AdamW(groups, fused=on_gpu or None)


def load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Take up the state of a run that another machine may have begun: steps are fused as here."""
    groups = [
        {**theirs, "fused": own["fused"]}
        for theirs, own in zip(saved["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({**saved, "param_groups": groups})


def rate_factor(step: int, steps: int, config: TrainConfig) -> float:
    """Share of the full rate at `step` of `steps`, in (0, 1]: a linear rise, then the schedule."""
    warmup = config.rate_warmup_steps
    if warmup is None:
        warmup = math.ceil(0.1 * steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def make_schedule(
    optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int, *, done: int = 0
) -> LambdaLR:
    """The rates of a run of so many steps, from its first step, or after the `done` first ones."""
    for group in optimizer.param_groups:
        # Earlier versions kept a group's full rate under a name of their own.
        group.setdefault("initial_lr", group.pop("base_rate", group["lr"]))
    factor = partial(rate_factor, steps=steps, config=config)
    return LambdaLR(optimizer, factor, last_epoch=done - 1)


def make_average(network: nn.Module, config: TrainConfig) -> AveragedModel | None:
    """The running mean of the weights and statistics; None where `ema_decay` is 0."""
    if config.ema_decay == 0:
        return None

    return AveragedModel(network, use_buffers=True)


@torch.no_grad()
def update_average(average: AveragedModel, network: nn.Module, config: TrainConfig) -> None:
    """Let the running mean follow by a step; its first one is the network itself.

    Whole numbers are the network's own: counts, and indices that its layers look things up with.
    `update_parameters` would average these too, and round them down; and it brings its count to
    the device first, so that every step waits for a GPU.
    """
    done = int(average.n_averaged)  # it lies on the CPU
    pairs = [
        *zip(average.module.parameters(), network.parameters(), strict=True),
        *zip(average.module.buffers(), network.buffers(), strict=True),
    ]
    follow = get_ema_multi_avg_fn(ema_decay(done, config) if done else 0.0)  # type: ignore[no-untyped-call]
    means, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
    follow(means, values, done)
    for mean, value in pairs:
        if not mean.is_floating_point():
            mean.copy_(value)
    average.n_averaged += 1


def ema_decay(done: int, config: TrainConfig) -> float:
    """Decay of the running mean after `done` steps: with `ema_warmup` at most (1 + n) / (10 + n).

    A mean of decay d remembers about 1 / (1 - d) steps. The warmed one remembers a ninth of what
    was done, until that is as much.
    """
    if not config.ema_warmup:
        return config.ema_decay
    return min(config.ema_decay, (1 + done) / (10 + done))


def begin_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig, *, epoch: int
) -> None:
    """Training mode, but for what the epoch (counted from 1) keeps still.

    A frozen trunk computes as it will on the device, so that its head learns on its own features.
    What no pretrained weights have filled is not worth keeping: it always learns.
    """
    frozen = _frozen(network, config, epoch)
    for group in optimizer.param_groups:
        for values in group["params"]:
            values.requires_grad_(id(values) not in frozen)
    network.train(not _trains_head_alone(config, epoch))
    for head in _heads(network):
        head.train()
    keep_norms = config.freeze_norms and config.weights != "none"
    for name, module in network.named_modules():
        if BRANCH in f"{name}.":
            module.train()
            continue
        # With what is in it: random depth in a block that is kept would change it all the same.
        held = [id(values) for values in module.parameters()]
        still = bool(held) and frozen.issuperset(held)
        if still or (keep_norms and isinstance(module, _BatchNorm)):
            module.eval()


def _frozen(network: nn.Module, config: TrainConfig, epoch: int) -> set[int]:
    """Identities of the parameters that an epoch keeps, a trunk's first layers or all of them."""
    in_head = {id(values) for head in _heads(network) for values in head.parameters()}
    trunk = [
        values
        for name, values in network.named_parameters()
        if id(values) not in in_head and BRANCH not in name
    ]
    if _trains_head_alone(config, epoch):
        return {id(values) for values in trunk}
    # Networks list their layers in the order of their work, each with its biases and norm behind.
    layers = [place for place, values in enumerate(trunk) if values.ndim > 1]
    count = math.floor(config.freeze_depth * len(layers)) if config.weights != "none" else 0
    first = layers[count] if count < len(layers) else len(trunk)
    return {id(values) for values in trunk[:first]} if count else set()


def _trains_head_alone(config: TrainConfig, epoch: int) -> bool:
    first = config.freeze_trunk_epochs
    if first is None:
        first = config.epochs // 4
    return epoch <= first and config.weights != "none"


def choose_rank_device(name: str, launch: Launch) -> torch.device:
    """The device of one of several processes: every one of a machine has a GPU of its own.

    Raises:
        CdulEdgeError: more processes than GPUs, all are to take the same, or as `choose_device`.
    """
    device = choose_device(name)
    if launch.count == 1 or device.type != "cuda":
        return device
    if device.index is not None:
        raise CdulEdgeError(
            f"device {name!r} is one GPU for {launch.local_count} processes: each takes its own "
            "with --device cuda; choose among them with CUDA_VISIBLE_DEVICES"
        )
    gpus = torch.cuda.device_count()
    if launch.local_rank >= gpus or launch.local_count > gpus:
        raise CdulEdgeError(
            f"torchrun starts {max(launch.local_count, launch.local_rank + 1)} processes on a "
            f"machine with {gpus} GPU(s): give torchrun --nproc-per-node {gpus}"
        )
    return torch.device("cuda", launch.local_rank)


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is a CUDA device if there is one.

    Raises:
        CdulEdgeError: a device that this machine, or this PyTorch, does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    expected = "expected auto, cpu, cuda, or cuda:1 for the second of several GPUs"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise CdulEdgeError(f"device {name!r} cannot be used ({reason}): {expected}") from error
    if device.type == "meta" or (device.type == "cpu" and device.index is not None):
        reason = "a CPU has no number" if device.type == "cpu" else "nothing is computed there"
        raise CdulEdgeError(f"device {name!r} cannot be used ({reason}): {expected}")
    return device


def resolve_precision(wanted: Precision, device: torch.device) -> Precision:
    """What "auto" means: bf16 where the hardware has it, else fp16 on CUDA and fp32 on a CPU.

    Where that is bf16 on a CPU, a run may try first whether it is faster (`try_precisions`).
    """
    if wanted == "fp16" and device.type == "cpu":
        raise CdulEdgeError("fp16 training needs a GPU: choose --precision bf16 or fp32")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device.type == "cpu" and _cpu_multiplies_bf16() else "fp32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """The forward pass in `precision`; fp32 is as if it were not there."""
    if precision not in _FORMATS:
        return nullcontext()
    if device.type == "cpu" and precision == "bf16":
        return _bfloat16_on_cpu()
    return torch.autocast(device.type, _FORMATS[precision])


@contextmanager
def _bfloat16_on_cpu() -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16), DepthwiseInBfloat16():
        yield


def _cpu_multiplies_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _heads(network: nn.Module) -> list[nn.Module]:
    return [network.get_submodule(name) for name in find_heads(network)]
