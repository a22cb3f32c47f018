"""A step never waits for its device: what it needs goes there unasked, and nothing comes back.

The device is PyTorch's "meta", on which tensors have shapes and no values: whatever a step asked
of them could not be answered, so it would raise here what on a GPU costs a wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cdul_edge.training.config import METHODS, MethodName, TrainConfig
from cdul_edge.training.methods import find_method
from tests.training.test_every_method import EAGER, start_training

META = torch.device("meta")
# Everything that a step can do beside its method's loss.
EVERYTHING: dict[str, Any] = {
    "shift": 0.1, "color": 0.2, "shuffle_colors": 0.5, "zoom_in": 0.3, "zoom_out": 0.1,
    "ema_decay": 0.9, "ema_warmup": True, "gradient_clip": 1.0,
}  # fmt: skip


class Waits(TorchDispatchMode):
    """Writes down operations that would wait for the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        devices = {
            one.device.type
            for one in tree_leaves((args, given))
            if isinstance(one, Tensor) and one.dim()
        }
        brings = torch.device(given.get("device") or "cpu").type == "meta" and "cpu" in devices
        # A copy that was not told to go on, or an index or the like that goes along by itself.
        if (brings and not given.get("non_blocking")) or {"cpu", "meta"} <= devices:
            self.found.append(str(function))
        return function(*args, **given)


def tiny_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_no_step_of_a_method_waits(small: Callable[..., TrainConfig], name: MethodName) -> None:
    mixup = 0.2 if find_method(name).mixes else 0.0
    trainer = start_training(
        small, name, 42, device="meta", learner=tiny_network(), epochs=4, batch_size=14,
        method_settings=EAGER.get(name, {}), mixup=mixup, **EVERYTHING,
    )  # fmt: skip
    indices = torch.arange(14)
    images = trainer.pictures.pixels[indices].to(META)  # type: ignore[attr-defined]
    waits = Waits()
    with waits:
        for trainer.epoch in (0, 2):  # some methods begin to doubt after an epoch or two
            trainer._take_step(images, indices)
    assert not waits.found
    assert trainer.step == 2


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "precision", "optimizer"),
    [*((name, "bf16", "adamw") for name in METHODS), ("cdul", "fp16", "adamw"),
     ("cdul", "bf16", "sgd")],
)  # fmt: skip
def test_cuda_tells_of_no_wait_either(
    small: Callable[..., TrainConfig], name: MethodName, precision: str, optimizer: str
) -> None:
    trainer = start_training(
        small, name, 42, device="cuda", epochs=4, batch_size=14, precision=precision,
        optimizer=optimizer, method_settings=EAGER.get(name, {}), learner=tiny_network(),
        mixup=0.2 if find_method(name).mixes else 0.0, **EVERYTHING,
    )  # fmt: skip
    indices = torch.arange(14)
    images = trainer.pictures.pixels[indices].cuda()  # type: ignore[attr-defined]
    trainer._take_step(images, indices)  # what is made once
    torch.cuda.set_sync_debug_mode("error")
    try:
        for trainer.epoch in (0, 2):
            trainer._take_step(images, indices)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_what_waits_would_be_seen() -> None:
    values, rows = torch.zeros(3, device=META), torch.tensor([0, 2])
    with Waits() as waits:
        rows.to(META)
        values[rows]
        rows.to(META, non_blocking=True)
    assert waits.found == ["aten._to_copy.default", "aten.index.Tensor"]
    with pytest.raises(RuntimeError, match="meta"):
        bool(values.isfinite().all())
    with pytest.raises(NotImplementedError, match="meta"):
        values.cpu()
