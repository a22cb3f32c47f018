"""Two processes that torchrun started train one run, and end as one process does."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cdul_edge.labels.pseudo_labels import PseudoLabels
from tests.fakes.torchrun import Torchrun
from tests.training.conftest import CLASSES, paint_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]

PICTURES, EPOCHS = 97, 8  # batches of 14 and 13: the ranks' shares are uneven
SETTINGS = (
    f"--network timm:test_efficientnet_gn --weights none --image-size 32 --epochs {EPOCHS} "
    "--batch-size 16 --precision fp32 --shift 0.1 --color 0.2 --ema-decay 0.9 --device cpu "
    "--method cdul --set label_warmup=1 --set freeze_after=1.0"
).split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    present = paint_folder(folder / "pictures", PICTURES, seed=0)
    PseudoLabels(
        folder / "pictures",
        tuple(f"{index:02}.png" for index in range(PICTURES)),
        CLASSES,
        np.where(present, 0.8, 0.1).astype(np.float32),
        np.full(len(CLASSES), 0.5, np.float32),
    ).write(folder / "labels.parquet")
    return folder


def command(folder: Path, out: str, *more: str) -> list[str]:
    return ["train", str(folder / "labels.parquet"), "--out", str(folder / out), *SETTINGS, *more]


def train(count: int, folder: Path, out: str) -> None:
    code, _, lines = Torchrun(count, command(folder, out)).end()
    assert (code, lines) == (0, [])


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    train(1, folder, "alone")
    return folder / "alone"


@pytest.fixture(scope="module")
def two(folder: Path) -> Path:
    train(2, folder, "two")
    return folder / "two"


def tensors(run: Path) -> dict[str, Tensor]:
    """Weights, their running mean, and the method's state of a finished run."""
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    return {
        f"{part}.{name}": value
        for part in ("network", "ema", "method")
        for name, value in saved[part].items()
        if isinstance(value, Tensor)
    }


def furthest(run: Path, other: Path) -> float:
    """The largest difference of a number."""
    one, two = tensors(run), tensors(other)
    assert one.keys() == two.keys()
    return max(float((one[name].double() - two[name].double()).abs().max()) for name in one)


def wait_for(run: Path, epochs: int) -> None:
    """Return in the epoch that follows so many."""
    metrics = run / "metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("\n") < epochs:
        time.sleep(0.01)


def test_two_ranks_end_as_one_process_does(alone: Path, two: Path) -> None:
    assert furthest(alone, two) <= 1e-6
    names = {path.name for path in alone.iterdir()}
    assert {path.name for path in two.iterdir()} == names


def test_a_run_that_lost_a_process_ends_with_the_same_bits(folder: Path, two: Path) -> None:
    ranks = Torchrun(2, command(folder, "killed", "--force"), restarts=1)
    wait_for(folder / "killed", 3)
    victim = ranks.find(1)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    code, _, lines = ranks.end()
    assert code == 0
    assert len(lines) == 1
    assert "process 0 of 2 has lost another one" in lines[0]
    assert furthest(folder / "killed", two) == 0


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_more_or_fewer_processes_go_on(folder: Path, alone: Path, before: int, after: int) -> None:
    out = folder / f"from{before}to{after}"
    ranks = Torchrun(before, command(folder, out.name))
    wait_for(out, 3)
    ranks.process.send_signal(signal.SIGINT)
    code, _, lines = ranks.end()
    assert code != 0
    assert [line for line in lines if "interrupted" not in line] == []
    assert len(lines) <= 1
    train(after, folder, out.name)
    assert furthest(out, alone) <= 1e-6


def test_a_picture_that_one_rank_cannot_read_ends_all_in_one_line(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "pictures", tmp_path / "pictures")
    (tmp_path / "pictures" / "40.png").write_bytes(b"no picture")
    more = ["--images", str(tmp_path / "pictures"), "--cache", "none"]
    code, out, lines = Torchrun(2, command(folder, "broken", *more)).end()
    assert code != 0
    assert out == ""
    assert len(lines) == 1
    assert "40.png is not a picture" in lines[0]
