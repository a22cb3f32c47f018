"""Our networks with `SyncBatchNorm`, in a group of one process.

`train` runs in one process. Whoever wraps its networks for several converts them first, and this
shows that they may be.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.step import Context, Figure, Outcome
from cdul_edge.clip.float32 import whole_float32
from cdul_edge.training.networks.network import create_network
from cdul_edge.training.presets import PLAIN, ConfigChanges, make_config

_NETWORKS = ("resnet50", "timm:tf_efficientnet_lite0", "clip:demo")


def convert_networks(context: Context) -> Outcome:
    """Each network's gradients, converted and not; a CPU can convert, and does not run it."""
    figures, on_gpu = [], context.device == "cuda"
    with _group_of_one(context):
        for name in context.size(_NETWORKS, ("clip:demo",)):
            plain = _create(context, name)
            converted = _convert(copy.deepcopy(plain))
            count = sum(isinstance(one, nn.SyncBatchNorm) for one in converted.modules())
            figures.append(Figure(f"{name}: norms converted", count, at_least=1))
            if on_gpu:
                apart = _compare(plain, converted)
                figures.append(
                    Figure(f"{name}: difference of the gradients, over them", apart, at_most=1e-3)
                )
    notes = () if on_gpu else ("torch runs SyncBatchNorm on a GPU only",)
    return Outcome(tuple(figures), notes=notes, details={"backend": _backend(context)})


def _create(context: Context, name: str) -> nn.Module:
    torch.manual_seed(0)
    changes: ConfigChanges = {
        **PLAIN, "network": name, "weights": "none", "height_px": 64, "width_px": 64,
    }  # fmt: skip
    plain, _ = create_network(make_config(**changes), 3)
    plain.to(context.device).train()
    for module in plain.modules():
        if isinstance(module, nn.Dropout):  # it would draw anew in each
            module.p = 0.0
    return plain


def _convert(network: nn.Module) -> nn.Module:
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return converted


def _compare(plain: nn.Module, converted: nn.Module) -> float:
    """Their gradients' difference, as a share of the whole gradient."""
    images = torch.rand(8, 3, 64, 64, device=next(plain.parameters()).device)
    with whole_float32():
        one, other = (_gradient(network, images) for network in (plain, converted))
    return float((one - other).norm() / one.norm())


def _gradient(network: nn.Module, images: Tensor) -> Tensor:
    logits = network(images)
    F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits)).backward()  # type: ignore[no-untyped-call]
    found = [values.grad.flatten() for values in network.parameters() if values.grad is not None]
    return torch.cat(found)


def _backend(context: Context) -> str:
    return "nccl" if context.device == "cuda" else "gloo"


@contextmanager
def _group_of_one(context: Context) -> Iterator[None]:
    meeting = Path(context.folder, "process-group")
    dist.init_process_group(_backend(context), init_method=meeting.as_uri(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()
