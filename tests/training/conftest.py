"""Twelve labeled and eight held-out pictures of colored squares, three classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training import TrainConfig, TrainRequest, train
from cdul_edge.training.presets import PLAIN
from cdul_edge.training.summary import RunSummary
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole

CLASSES = ClassList(("red", "green", "blue"))
SIDE = 32


@dataclass(frozen=True)
class Squares:
    """Folders and files of the little world."""

    root: Path
    labels: Path
    truth: Path
    val: Path
    val_truth: Path


def paint(present: NDArray[np.bool_], rng: np.random.Generator) -> Image.Image:
    """A gray picture with one 10 px square a present class, in that class's color."""
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    for channel in np.flatnonzero(present):
        left, top = int(channel) * 11, int(rng.integers(0, 22))
        pixels[top : top + 10, left : left + 10] = 20
        pixels[top : top + 10, left : left + 10, channel] = 240
    return Image.fromarray(pixels)


def paint_folder(folder: Path, count: int, seed: int) -> NDArray[np.bool_]:
    """Paint `count` pictures, every one of eight combinations in turn; returns (count, 3)."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    present = (np.arange(count)[:, None] >> np.arange(3)) % 2 == 1
    for index, row in enumerate(present):
        paint(row, rng).save(folder / f"{index:02}.png")
    return np.asarray(present)


def write_truth(file: Path, folder: str, present: NDArray[np.bool_]) -> None:
    rows = [
        f"{folder}/{i:02}.png," + ",".join(str(int(v)) for v in r) for i, r in enumerate(present)
    ]
    file.write_text("\n".join(["image_path,red,green,blue", *rows]) + "\n")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads gain nothing on such small batches, and wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Squares:
    root = tmp_path_factory.mktemp("squares")
    present = paint_folder(root / "train", 12, seed=0)
    held_out = paint_folder(root / "val", 8, seed=1)
    write_truth(root / "train.csv", "train", present)
    write_truth(root / "val.csv", "val", held_out)
    PseudoLabels(
        root=root / "train",
        paths=tuple(f"{index:02}.png" for index in range(12)),
        classes=CLASSES,
        scores=np.where(present, 0.8, 0.1).astype(np.float32),
        thresholds=np.full(3, 0.5, np.float32),
    ).write(root / "labels.parquet")
    return Squares(
        root, root / "labels.parquet", root / "train.csv", root / "val", root / "val.csv"
    )


SMALL: dict[str, Any] = {
    **PLAIN,
    "network": "clip:demo",
    "weights": "none",
    "height_px": SIDE,
    "width_px": SIDE,
    "epochs": 3,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "precision": "fp32",
    "shift": 0.1,
    "color": 0.2,
    "method": "cdul",
    "method_settings": {"label_warmup": 1, "freeze_after": 1.0},
}


@pytest.fixture
def small() -> Callable[..., TrainConfig]:
    """Settings of a run that takes a second; each can be changed.

    Those of a method apply to the default one; another method starts from its own.
    """

    def make(**changes: Any) -> TrainConfig:
        start = {**SMALL, "method_settings": {}} if "method" in changes else SMALL
        return TrainConfig(**{**start, **changes})

    return make


Train = Callable[..., RunSummary]


@pytest.fixture(name="train")
def train_squares(squares: Squares, small: Callable[..., TrainConfig]) -> Train:
    """`train(out, data=…, evaluation=…, force=…, **settings)` on the squares, in silence."""

    def run(out: Path, **options: Any) -> RunSummary:
        names = {one.name for one in fields(TrainRequest)} - {"labels", "config", "out"}
        given = {name: options.pop(name) for name in names if name in options}
        labels = options.pop("labels_path", squares.labels)
        request = TrainRequest(labels, out, small(**options), **given)
        return train(request, SilentConsole()).summary

    return run
