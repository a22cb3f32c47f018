"""What each rank of a training run holds of all pictures' labels, and needs to revise them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from resource import RUSAGE_SELF, getrusage
from typing import Any

import torch

from benchmarks.measured_rows.figures import Figure, Measured, stated
from benchmarks.measured_rows.row import Setting
from cdul_edge.training.config import MethodName, SettingValue, TrainConfig
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.base import EpochEnd, Regions, Supervision

PICTURES, CLASSES = 1_000_000, 80
METHODS: tuple[MethodName, ...] = ("distill", "cdul", "plmcl")
_EAGER: dict[str, SettingValue] = {"label_warmup": 1, "freeze_after": 1.0}


class _Ended(EpochEnd):
    """The end of an epoch with logits that no network made."""

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits = logits

    def logits(self) -> torch.Tensor:
        return self._logits

    def look(self, regions: Regions) -> torch.Tensor:
        raise NotImplementedError


def measure_label_state(setting: Setting) -> Measured:
    """Each method in a process of its own; peaks are those that Linux or macOS keeps of it."""
    pictures = PICTURES // 100 if setting.quick else PICTURES
    notes = (
        f"{pictures:,} pictures, {CLASSES} classes; logits and pseudo-labels are random; every "
        "rank holds as much",
    )
    return Measured(tuple(_measure(pictures)), notes)


def _measure(pictures: int) -> Iterator[Figure]:
    for name in METHODS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            kept, peak = process.submit(hold_labels, name, pictures).result()
        yield stated(f"{name}-kept", f"{name}: kept", "bytes per picture", kept / pictures)
        yield stated(f"{name}-peak", f"{name}: at most", "bytes per picture", peak / pictures)


def hold_labels(name: MethodName, pictures: int) -> tuple[int, int]:
    """Bytes that the method's tensors take, and by how many the process grew to revise them."""
    torch.set_num_threads(1)
    before = _peak_bytes()
    draws = torch.Generator().manual_seed(0)
    scores = torch.rand(pictures, CLASSES, generator=draws)
    observed = torch.zeros(pictures, CLASSES, dtype=torch.int8)
    settings = {} if name == "distill" else _EAGER
    config = TrainConfig(method=name, epochs=4, method_settings=settings)
    method = make_method(config, Supervision(scores, observed, None, False, config.epochs))
    logits = torch.rand(pictures, CLASSES, generator=draws)
    for epoch in (1, 2):
        method.after_epoch(epoch, _Ended(logits))
    return _bytes_of({**vars(method.supervision), **vars(method)}), _peak_bytes() - before


def _bytes_of(attributes: dict[str, Any]) -> int:
    """Of the tensors among them; what two share counts once."""
    tensors = [one for one in attributes.values() if isinstance(one, torch.Tensor)]
    return sum({one.data_ptr(): one.nbytes for one in tensors}.values())


def _peak_bytes() -> int:
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
