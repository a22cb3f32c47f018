"""A training run of two ranks, one of which is killed: it ends with the bits of one left alone."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.measured_rows.figures import Figure, Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.scale.world import find_world
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList
from tests.fakes.torchrun import Torchrun

PICTURES, EPOCHS, KILLED_AFTER = 97, 8, 3
CLASSES = ClassList(tuple(f"class {number}" for number in range(4)))
SETTINGS = (
    f"--network timm:test_efficientnet_gn --weights none --image-size 32 --epochs {EPOCHS} "
    "--batch-size 16 --precision fp32 --shift 0.1 --color 0.2 --ema-decay 0.9 --device cpu "
    "--method cdul --set label_warmup=1 --set freeze_after=1.0"
).split()


def measure_killed_rank(setting: Setting) -> Measured:
    """Weights, their running mean, and the method's state, of both runs."""
    with tempfile.TemporaryDirectory() as scratch:
        figures = tuple(_compare(find_world(setting) / "train", Path(scratch)))
    note = f"cdul, two ranks, {EPOCHS} epochs, one killed after {KILLED_AFTER}, --max-restarts 1"
    return Measured(figures, (note,))


def _compare(pictures: Path, scratch: Path) -> Iterator[Figure]:
    labels = scratch / "labels.parquet"
    draws = np.random.default_rng(0)
    names = sorted(file.name for file in pictures.iterdir())[:PICTURES]
    scores = draws.random((len(names), len(CLASSES)), np.float32)
    thresholds = np.full(len(CLASSES), 0.5, np.float32)
    PseudoLabels(pictures, tuple(names), CLASSES, scores, thresholds).write(labels)
    whole = _train(labels, scratch / "whole", kill=False)
    killed = _train(labels, scratch / "killed", kill=True)
    yield stated("numbers", "weights, their mean, and the method's state", "tensors", len(whole))
    others = {*whole, *killed} - {
        name for name in whole if name in killed and torch.equal(whole[name], killed[name])
    }
    yield at_most(
        0, "others", "a killed rank: tensors that differ by a bit", "tensors", len(others)
    )


def _train(labels: Path, out: Path, *, kill: bool) -> dict[str, torch.Tensor]:
    command = ["train", str(labels), "--out", str(out), *SETTINGS]
    ranks = Torchrun(2, command, restarts=1)
    if kill:
        _kill_one(ranks, out / "metrics.jsonl")
    code, _, lines = ranks.end()
    if code:
        raise SystemExit("\n".join([f"torchrun ended with exit code {code}", *lines]))
    saved = torch.load(out / "checkpoint.pt", weights_only=True)
    return {
        f"{part}.{name}": value
        for part in ("network", "ema", "method")
        for name, value in saved[part].items()
        if isinstance(value, torch.Tensor)
    }


def _kill_one(ranks: Torchrun, metrics: Path) -> None:
    """Kill rank 1 in the epoch after `KILLED_AFTER`."""
    while not metrics.exists() or metrics.read_text().count("\n") < KILLED_AFTER:
        if ranks.process.poll() is not None:
            raise SystemExit("torchrun ended before a rank was killed")
        time.sleep(0.01)
    victim = ranks.find(1)
    if victim is None:
        raise SystemExit("there is no second rank to kill")
    os.kill(victim, signal.SIGKILL)
