"""The pseudo-labels of a set of pictures: where labeling and training meet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from cdul_edge.labels.label_rows import LabelRows, to_table
from cdul_edge.labels.label_stream import (
    ADVICE,
    FILE_NAME,
    NAMED_TWICE,
    describe_labels,
    iterate_labels,
)
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_parent
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError

__all__ = ["FILE_NAME", "SCORES_OF_NETWORK", "PseudoLabels"]

# `scores_of` in the provenance of a file that holds predictions in the form of labels.
SCORES_OF_NETWORK = "network"


@dataclass(frozen=True)
class PseudoLabels:
    """Soft labels of N pictures, immutable and whole in memory; refined labels are a new file.

    Attributes:
        root: the folder that `paths` are relative to.
        paths: N POSIX paths, unique.
        classes: names of the C columns.
        scores: (N, C) float32 in [0, 1]; rows need not sum to 1.
        thresholds: (C,) float32; a score at or above it counts as positive.
        provenance: what made them: program version, settings, inputs' digests.
        cosines: (N, C) float32 cosines of the whole pictures, up to a constant a picture; None
            where they are not known.

    Raises:
        LabelsError: shapes that do not fit, a path twice, a score outside [0, 1], or a cosine that
            is not finite.
    """

    root: Location
    paths: tuple[str, ...]
    classes: ClassList
    scores: npt.NDArray[np.float32]
    thresholds: npt.NDArray[np.float32]
    provenance: dict[str, Any] = field(default_factory=dict)
    cosines: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.paths), len(self.classes))
        if self.scores.shape != shape or self.thresholds.shape != shape[1:]:
            raise LabelsError(
                f"{len(self.paths)} paths and {len(self.classes)} classes do not fit scores "
                f"{self.scores.shape} and thresholds {self.thresholds.shape}"
            )
        if len(set(self.paths)) != len(self.paths):
            raise LabelsError(NAMED_TWICE)
        LabelRows(self.paths, self.scores, self.cosines)

    @property
    def local_root(self) -> Path | None:
        """`root`, where it is a folder of this machine."""
        return self.root if isinstance(self.root, Path) else None

    @property
    def folder(self) -> Path:
        """`root`, for whoever opens the pictures; one elsewhere is a `LabelsError`."""
        if isinstance(self.root, Path):
            return self.root
        raise LabelsError(
            f"the labeled pictures lie in {self.root}, and are read from a folder of this machine: "
            "copy them, and give that folder as --images"
        )

    def write(self, path: Location) -> None:
        """Write one Parquet file with `path`, `scores` and, where known, `cosines`; atomically."""
        about = describe_labels(self.root, self.classes, self.thresholds, self.provenance)
        table = to_table(LabelRows(self.paths, self.scores, self.cosines), about)
        storage, name = open_parent(path)
        with storage.write(name) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def read(cls, where: Location) -> PseudoLabels:
        """Read a labels folder, or its labels alone, as one file or a folder of parts.

        Raises:
            LabelsError: no such labels, damaged ones, those of another format, or a labels folder
                that is not finished or lacks a part.
        """
        stream = iterate_labels(where)
        shape = (stream.count, len(stream.classes))
        scores = np.empty(shape, np.float32)
        cosines = np.empty(shape, np.float32) if "cosines" in stream.columns else None
        paths: list[str] = []
        for rows in stream:
            place = slice(len(paths), len(paths) + len(rows.paths))
            scores[place] = rows.scores
            if cosines is not None:
                cosines[place] = rows.cosines
            paths += rows.paths
        try:
            return cls(
                root=stream.root,
                paths=tuple(paths),
                classes=stream.classes,
                scores=scores,
                thresholds=stream.thresholds,
                provenance=stream.provenance,
                cosines=cosines,
            )
        except CdulEdgeError as error:
            raise LabelsError(f"{where} is damaged ({error}): {ADVICE}") from error
