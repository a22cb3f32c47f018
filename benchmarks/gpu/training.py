"""`train`'s own loop against bare steps of the same network, on a batch that lies on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
import torch.nn.functional as F

from benchmarks.gpu.step import Device
from benchmarks.record import interleave, median_ratio
from cdul_edge.training.config import Precision
from cdul_edge.training.data.dataset import StoredPictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import Supervision, make_method
from cdul_edge.training.networks.network import create_network
from cdul_edge.training.optimization import autocast
from cdul_edge.training.presets import PLAIN, ConfigChanges, make_config

CLASSES = 20


@dataclass(frozen=True)
class Case:
    """What is trained; pictures are noise, which takes as long as any other."""

    network: str
    side_px: int
    precision: Precision
    device: Device
    pictures: int
    batch: int

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self.pictures // self.batch


@dataclass(frozen=True)
class Speed:
    """Pictures a second, medians; and the product's over the bare step's, turn by turn.

    Attributes:
        benchmarked: of the bare step with `torch.backends.cudnn.benchmark`.
        seconds: of each epoch, by side.
    """

    train: float
    bare: float
    benchmarked: float
    train_over_bare: float
    seconds: dict[str, list[float]]


def time_training(case: Case, seconds: float) -> Speed:
    """Epochs by turns for about so many seconds: of `train`, bare, and bare with cuDNN's trials.

    `train` reads uint8 pictures from memory, mirrors, moves, zooms and recolors them, and logs its
    losses; epochs begin and end as they do for a user.
    """
    trainer = make_trainer(case)
    bare = _make_bare(case, trainer.config.learning_rate)
    sides: dict[str, Callable[[], object]] = {
        "train": trainer.train_epoch,
        "bare": bare,
        "benchmarked": lambda: _with_trials(bare),
    }
    for side in sides.values():  # what is made or chosen once
        side()
    start = perf_counter()
    found = interleave(sides, 1)
    once = perf_counter() - start
    more = interleave(sides, max(0, min(20, int(seconds / once) - 1)))
    taken = {name: [*found[name], *more[name]] for name in sides}
    shown = case.steps * case.batch
    rates = {name: shown / median(values) for name, values in taken.items()}
    return Speed(
        train=rates["train"],
        bare=rates["bare"],
        benchmarked=rates["benchmarked"],
        train_over_bare=median_ratio(taken["bare"], taken["train"]),
        seconds={name: [round(one, 4) for one in values] for name, values in taken.items()},
    )


def make_trainer(case: Case) -> Trainer:
    """The product's loop, with every change to pictures that it knows."""
    changes: ConfigChanges = {
        **PLAIN, "network": case.network, "weights": "none", "precision": case.precision,
        "height_px": case.side_px, "width_px": case.side_px, "batch_size": case.batch,
        "epochs": 1000, "learning_rate": 1e-5, "method": "fixed", "method_settings": {},
        "shift": 0.125, "color": 0.4, "zoom_in": 0.3,
    }  # fmt: skip
    config = make_config(**changes)
    network, plan = create_network(config, CLASSES)
    count = case.steps * case.batch
    supervision = Supervision(
        scores=torch.full((count, CLASSES), 0.1),
        observed=torch.zeros((count, CLASSES), dtype=torch.int8),
        cosines=None,
        hard=False,
        epochs=config.epochs,
    )
    shape = (count, case.side_px, case.side_px, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
    return Trainer(
        network, make_method(config, supervision), StoredPictures(pixels),
        preprocess=plan.preprocess, config=config, device=torch.device(case.device),
    )  # fmt: skip


def _make_bare(case: Case, rate: float) -> Callable[[], None]:
    """An epoch of forward, loss, backward and optimizer's step, which never waits for the device.

    Channels last and a fused optimizer, as PyTorch's own guide to speed has it.
    """
    device = torch.device(case.device)
    changes: ConfigChanges = {
        **PLAIN, "network": case.network, "weights": "none", "height_px": case.side_px,
        "width_px": case.side_px,
    }  # fmt: skip
    network, _ = create_network(make_config(**changes), CLASSES)
    network.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    on_gpu = device.type == "cuda"
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, fused=on_gpu or None)
    scaler = torch.amp.GradScaler(device.type, enabled=case.precision == "fp16")
    shape = (case.batch, 3, case.side_px, case.side_px)
    images = torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last)
    targets = torch.full((case.batch, CLASSES), 0.1, device=device)

    def run() -> None:
        for _ in range(case.steps):
            with autocast(device, case.precision):
                logits = network(images)
            loss = F.binary_cross_entropy_with_logits(logits.float(), targets)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            scaler.step(optimizer)
            scaler.update()
        if on_gpu:
            torch.cuda.synchronize()

    return run


def _with_trials(run: Callable[[], None]) -> None:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        run()
    finally:
        torch.backends.cudnn.benchmark = before
