"""The pictures of a study: one dataset per seed of drawn worlds, or else one for all seeds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdul_edge.demo.world import paint_world
from cdul_edge.labelling.encode.prompts import DEFAULT_TEMPLATE, read_prompts
from cdul_edge.labelling.imported.similarity_files import read_similarities
from cdul_edge.study.data import DrawnWorld, KnownSimilarities, Photographs, Source
from cdul_edge.study.request import StudyRequest
from cdul_edge_runtime.bundle.classes import ClassList, own_spelling
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.metrics.truth import TruthTable, read_truth
from cdul_edge_runtime.pictures.images import find_images


@dataclass(frozen=True)
class Dataset:
    """Pictures, and where everything that the cells of a seed share is kept.

    Attributes:
        folder: similarities, labels, truth and decoded pictures lie in it.
        source: what to label, and held-out pictures.
        classes: of the study, in column order.
        judged: the classes that figures are about; None is every one.
        train_truth, val_truth, judged_truth: (N, C) truth as NPZ, read from its source once. The
            last two are unknown in the classes that figures are not about.
    """

    folder: Path
    source: Source
    classes: ClassList
    judged: tuple[str, ...] | None = None

    @property
    def train_truth(self) -> Path:
        """What the training pictures show: observations are drawn from it."""
        return self.folder / "train_truth.npz"

    @property
    def judged_truth(self) -> Path:
        """What is reported of the training pictures."""
        return self.train_truth if self.judged is None else self.folder / "judged_truth.npz"

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
    data, folder = request.data, request.out / "data"
    if isinstance(data, DrawnWorld):
        sources = {seed: _paint(folder / f"seed-{seed}", data, seed) for seed in request.seeds}
        folders = {seed: folder / f"seed-{seed}" for seed in request.seeds}
    else:
        sources, folders = dict.fromkeys(request.seeds, data), dict.fromkeys(request.seeds, folder)
    found: dict[Path, Dataset] = {}
    for seed, source in sources.items():
        if folders[seed] not in found:
            found[folders[seed]] = _open(folders[seed], source, request.report_classes)
    return {seed: found[folders[seed]] for seed in request.seeds}


def _paint(folder: Path, wanted: DrawnWorld, seed: int) -> Source:
    world = paint_world(folder / "world", train=wanted.train, heldout=wanted.heldout, seed=seed)
    return Photographs(
        images=world.train,
        classes=world.classes,
        clip="demo",
        train_truth=world.train_truth,
        val=world.heldout,
        truth=world.heldout_truth,
    )


def _open(folder: Path, source: Source, judged: Sequence[str] | None) -> Dataset:
    """Copy the truth once: a study may go on where its source has gone, not where it changed."""
    if isinstance(source, KnownSimilarities):
        classes = read_similarities(source.similarities, source.made_with).classes
    else:
        classes = read_prompts(source.classes, (DEFAULT_TEMPLATE,)).classes
    dataset = Dataset(folder, source, classes, _own_names(judged, classes))
    wanted = {
        dataset.train_truth: (source.images, source.train_truth, None),
        dataset.judged_truth: (source.images, source.train_truth, dataset.judged),
        dataset.val_truth: (source.val, source.truth, dataset.judged),
    }
    found = {}
    for copy, (images, truth, names) in wanted.items():
        if copy.is_file():
            _refuse_changed(copy, source, truth, images, classes, names)
        else:
            found[copy] = _read_copy(source, truth, images, classes, names)
    # Nothing is written before all can be read: a wrong file can be replaced by another.
    for copy, table in found.items():
        _write_truth(copy, table)
    return dataset


def _read_copy(
    source: Source, truth: Path, images: Path, classes: ClassList, judged: Sequence[str] | None
) -> TruthTable:
    """What the pictures show, unknown in the classes that figures are not about."""
    pictures, table = find_images(images), read_truth(truth, difficult=source.difficult)
    labels = table.for_paths(pictures.paths, classes, pictures.root)
    if judged is not None:
        labels = np.where([name in judged for name in classes], labels, np.int8(-1))
    return TruthTable(paths=pictures.paths, classes=tuple(classes), labels=labels)


def _refuse_changed(
    copy: Path,
    source: Source,
    truth: Path,
    images: Path,
    classes: ClassList,
    judged: Sequence[str] | None,
) -> None:
    """Cells that are finished were judged by the copy; where its source has gone, it counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CdulEdgeWarning)  # said when the copy was made
        try:
            now = _read_copy(source, truth, images, classes, judged)
        except CdulEdgeError:
            return
    then = read_truth(copy)
    if then.paths != now.paths or then.classes != now.classes or (then.labels != now.labels).any():
        raise CdulEdgeError(
            f"{truth}, its pictures or the classes have changed since {copy} was made of them: "
            "choose another --out"
        )


def _own_names(judged: Sequence[str] | None, classes: ClassList) -> tuple[str, ...] | None:
    if judged is None:
        return None
    names = tuple(own_spelling(name, classes) for name in judged)
    if unknown := [name for name in names if name not in classes.names]:
        raise CdulEdgeError(
            f"--report-classes: {', '.join(unknown)} is no class of the study, whose classes are "
            f"{', '.join(classes)}"
        )
    return names


def _write_truth(copy: Path, table: TruthTable) -> None:
    with atomic_write(copy) as temporary, temporary.open("wb") as file:
        names, classes = np.array(table.paths), np.array(table.classes)
        np.savez(file, names=names, classes=classes, labels=table.labels)
