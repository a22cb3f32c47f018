"""The pseudo-labels of each strategy; CLIP runs once per dataset and grid for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdul_edge.clip.choices import Device
from cdul_edge.labelling import ImportRequest, LabelRequest, Views, WholePicture, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import PRESENT, choose_pictures, take_rows
from cdul_edge.study.data import KnownSimilarities
from cdul_edge.study.datasets import Dataset
from cdul_edge.study.variants import (
    STRATEGIES,
    WITH_TRUTH,
    WITHOUT_TRUTH,
    Strategy,
    split_strategy,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.metrics import Truth
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images


@dataclass(frozen=True)
class Labels:
    """One strategy's pseudo-labels of one dataset, or why there are none.

    Attributes:
        file: the pseudo-labels.
        store: the labels folder that they were scored from; it knows its CLIP.
        digest: of what a run learns from, wherever the pictures lie.
        judged: whether anything is known of its pictures that can be reported.
    """

    file: Path
    store: Path
    digest: str = ""
    failure: str | None = None
    judged: bool = False


@dataclass(frozen=True)
class Labeler:
    """How a study makes labels.

    Attributes:
        subsets: lists of pictures by the name that a strategy gives behind its "@".
        device, threads: of CLIP.
    """

    subsets: Mapping[str, Path]
    device: Device
    threads: int | None

    def make_labels(self, dataset: Dataset, names: Iterable[str]) -> dict[str, Labels]:
        """Score the dataset's store with each strategy; CLIP runs where the store is incomplete.

        The scores are made again in every call: they cost a second, and show by their digest
        whether finished cells learned from the same.
        """
        made: dict[str, PseudoLabels | CdulEdgeError] = {}
        found = {}
        for name in names:
            strategy, subset = split_strategy(name)
            store = _store(dataset, STRATEGIES[strategy])
            file = dataset.folder / "labels" / f"{name}.parquet"
            try:
                if strategy not in made:
                    made[strategy] = self._score(dataset, STRATEGIES[strategy], store)
                whole = made[strategy]
                if isinstance(whole, CdulEdgeError):
                    raise whole
                labels = whole if subset is None else self._part(dataset, whole, subset)
            except CdulEdgeError as error:
                made.setdefault(strategy, error)
                found[name] = Labels(file, store, failure=str(error))
                continue
            labels.write(file)
            judged = bool((_truth_of(dataset.judged_truth, labels) >= 0).any())
            found[name] = Labels(file, store, _digest(labels), judged=judged)
        return found

    def _score(self, dataset: Dataset, chosen: Strategy, store: Path) -> PseudoLabels:
        source = dataset.source
        if chosen.from_truth:
            return _copy_truth(dataset)
        if isinstance(source, KnownSimilarities):
            if chosen.views != Views():
                raise CdulEdgeError(
                    f"{source.similarities} holds similarities of other views than this strategy "
                    "asks for: compare it where CLIP sees the pictures"
                )
            request: LabelRequest | ImportRequest = ImportRequest(
                source.similarities, store, made_with=source.made_with, scoring=chosen.scoring
            )
        else:
            request = LabelRequest(
                images=source.images,
                classes=source.classes,
                out=store,
                clip=source.clip,
                pretrained=source.pretrained,
                views=chosen.views,
                scoring=chosen.scoring,
                device=self.device,
                threads=self.threads,
            )
        label(request, SilentConsole())
        labels = PseudoLabels.read(store)
        if isinstance(source, KnownSimilarities):
            return choose_pictures(labels, images=source.images, only=PRESENT).labels
        return labels

    def _part(self, dataset: Dataset, labels: PseudoLabels, subset: str) -> PseudoLabels:
        if subset in self.subsets:
            return choose_pictures(labels, only=self.subsets[subset]).labels
        known = _truth_of(dataset.train_truth, labels) >= 0
        rows = {WITH_TRUTH: known.all(axis=1), WITHOUT_TRUTH: ~known.any(axis=1)}[subset]
        if not rows.any():
            raise CdulEdgeError(f"no training picture is {subset}: compare all of them")
        return take_rows(labels, np.flatnonzero(rows))


def _copy_truth(dataset: Dataset) -> PseudoLabels:
    """The truth as labels, of the pictures for which every class is known."""
    pictures, table = find_images(dataset.source.images), read_truth(dataset.train_truth)
    rows = np.flatnonzero((table.labels >= 0).all(axis=1))
    if not len(rows):
        raise CdulEdgeError(
            f"{dataset.source.train_truth} knows every class of no picture: nothing can be learned "
            "from truth alone"
        )
    return PseudoLabels(
        root=pictures.root,
        paths=tuple(table.paths[row] for row in rows),
        classes=dataset.classes,
        scores=table.labels[rows].astype(np.float32),
        thresholds=np.full(len(dataset.classes), 0.5, np.float32),
    )


def _truth_of(copy: Path, labels: PseudoLabels) -> Truth:
    """(N, C) of the dataset's copy of the truth, which may know none of these pictures."""
    table = read_truth(copy)
    unknown = np.full(len(labels.classes), -1, np.int8)
    rows = dict(zip(table.paths, table.labels, strict=True))
    return np.array([rows.get(path, unknown) for path in labels.paths], np.int8)


def _digest(labels: PseudoLabels) -> str:
    digest = hashlib.sha256(repr((labels.paths, tuple(labels.classes))).encode())
    for values in (labels.scores, labels.cosines):
        digest.update(b"" if values is None else values.tobytes())
    return digest.hexdigest()


def _store(dataset: Dataset, chosen: Strategy) -> Path:
    if isinstance(dataset.source, KnownSimilarities):
        return dataset.folder / "similarities"
    return dataset.folder / f"similarities-{_name(chosen.views)}"


def _name(views: Views | WholePicture) -> str:
    if isinstance(views, WholePicture):
        return "patches"
    overlap = f"-overlap{views.overlap:g}" if views.overlap else ""
    return f"{views.grid}{overlap}"
