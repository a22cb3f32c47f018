"""The pictures of a study: one dataset per seed of drawn worlds, or else one for all seeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdul_edge.demo.world import paint_world
from cdul_edge.labelling.encode.prompts import DEFAULT_TEMPLATE, read_prompts
from cdul_edge.study.request import DrawnWorld, Photographs, StudyRequest
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.choices import Difficult
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import PictureList, find_images


@dataclass(frozen=True)
class Dataset:
    """Pictures, and where everything that the cells of a seed share is kept.

    Attributes:
        folder: similarities, labels, truth and decoded pictures lie in it.
        source: what to label, and held-out pictures.
        train_truth, val_truth: (N, C) truth as NPZ, read from its source once.
    """

    folder: Path
    source: Photographs

    @property
    def train_truth(self) -> Path:
        """What the training pictures show."""
        return self.folder / "train_truth.npz"

    @property
    def val_truth(self) -> Path:
        """What the held-out pictures show."""
        return self.folder / "val_truth.npz"

    @property
    def decoded(self) -> Path:
        """Folder of decoded pictures, one file per set and size."""
        return self.folder / "decoded"


def prepare_datasets(request: StudyRequest) -> dict[int, Dataset]:
    """The dataset of each seed, painted where it is drawn; what exists already is used again.

    Raises:
        CdulEdgeError: pictures, classes or truth that do not fit each other.
    """
    if isinstance(request.data, Photographs):
        dataset = Dataset(request.out / "data", request.data)
        _read_truth_once(dataset)
        return dict.fromkeys(request.seeds, dataset)
    worlds = {}
    for seed in request.seeds:
        worlds[seed] = _paint(request.out / "data" / f"seed-{seed}", request.data, seed)
        _read_truth_once(worlds[seed])
    return worlds


def _paint(folder: Path, wanted: DrawnWorld, seed: int) -> Dataset:
    world = paint_world(folder / "world", train=wanted.train, heldout=wanted.heldout, seed=seed)
    source = Photographs(
        images=world.train,
        classes=world.classes,
        clip="demo",
        train_truth=world.train_truth,
        val=world.heldout,
        truth=world.heldout_truth,
    )
    return Dataset(folder, source)


def _read_truth_once(dataset: Dataset) -> None:
    source = dataset.source
    classes = read_prompts(source.classes, (DEFAULT_TEMPLATE,)).classes
    for images, truth, copy in (
        (source.images, source.train_truth, dataset.train_truth),
        (source.val, source.truth, dataset.val_truth),
    ):
        if not copy.is_file():
            _write_truth(copy, truth, find_images(images), classes, source.difficult)


def _write_truth(
    copy: Path, truth: Path, pictures: PictureList, classes: ClassList, difficult: Difficult
) -> None:
    table = read_truth(truth, difficult=difficult)
    labels = table.for_paths(pictures.paths, classes, pictures.root)
    with atomic_write(copy) as temporary, temporary.open("wb") as file:
        names = np.array(pictures.paths)
        np.savez(file, names=names, classes=np.array(tuple(classes)), labels=labels)
