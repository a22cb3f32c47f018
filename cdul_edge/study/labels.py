"""The pseudo-labels of each strategy; CLIP runs once per dataset and grid for all of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.clip.choices import Device
from cdul_edge.labelling import LabelRequest, Views, WholePicture, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.study.datasets import Dataset
from cdul_edge.study.variants import STRATEGIES
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole


@dataclass(frozen=True)
class Labels:
    """One strategy's pseudo-labels of one dataset, or why there are none.

    Attributes:
        file: the pseudo-labels.
        store: the labels folder that they were scored from; it knows its CLIP.
        digest: of what a run learns from, wherever the pictures lie.
    """

    file: Path
    store: Path
    digest: str = ""
    failure: str | None = None


def make_labels(dataset: Dataset, strategy: str, *, device: Device, threads: int | None) -> Labels:
    """Score the dataset's store with a strategy; CLIP runs where the store is not complete.

    The scores are made again in every call: they cost a second, and show by their digest whether
    finished cells learned from the same.
    """
    file = dataset.folder / "labels" / f"{strategy}.parquet"
    chosen = STRATEGIES[strategy]
    source, store = dataset.source, dataset.folder / f"similarities-{_name(chosen.views)}"
    try:
        request = LabelRequest(
            images=source.images,
            classes=source.classes,
            out=store,
            clip=source.clip,
            pretrained=source.pretrained,
            views=chosen.views,
            scoring=chosen.scoring,
            device=device,
            threads=threads,
        )
        label(request, SilentConsole())
    except CdulEdgeError as error:
        return Labels(file, store, failure=str(error))
    labels = PseudoLabels.read(store)
    labels.write(file)
    return Labels(file, store, _digest(labels))


def _digest(labels: PseudoLabels) -> str:
    digest = hashlib.sha256(repr((labels.paths, tuple(labels.classes))).encode())
    for values in (labels.scores, labels.cosines):
        digest.update(b"" if values is None else values.tobytes())
    return digest.hexdigest()


def _name(views: Views | WholePicture) -> str:
    if isinstance(views, WholePicture):
        return "patches"
    overlap = f"-overlap{views.overlap:g}" if views.overlap else ""
    return f"{views.grid}{overlap}"
