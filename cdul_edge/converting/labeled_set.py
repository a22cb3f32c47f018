"""What is converted: pictures with labels and perhaps scores, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList

What = Literal["pseudo-labels", "predictions", "labels"]


@dataclass(frozen=True, eq=False)
class LabeledBatch:
    """Labels of M pictures.

    Attributes:
        paths: M paths.
        labels: (M, C) int8: 1 present, 0 absent, -1 unknown.
        scores: (M, C) float32 in [0, 1]; None where there are none.
    """

    paths: Sequence[str]
    labels: npt.NDArray[np.int8]
    scores: npt.NDArray[np.float32] | None

    def names(self, classes: ClassList, label: int = 1) -> Iterator[list[str]]:
        """Of each picture, the classes that have this label, in the order of the classes."""
        for row in self.labels == label:
            yield [classes.names[column] for column in np.flatnonzero(row)]

    def score_texts(self) -> list[list[str]] | None:
        """The shortest decimal numbers that are these scores as float32; valid in JSON."""
        return None if self.scores is None else self.scores.astype("U32").tolist()


@dataclass(frozen=True, eq=False)
class LabeledSet:
    """Labels of N pictures, read again at each pass.

    Attributes:
        what: pseudo-labels and predictions have scores, and nothing unknown; labels that people
            gave, and truth, may have unknown entries.
        source: where they were read from, for messages.
        classes: names of the C columns.
        thresholds: (C,) float32 that made the labels of the scores; None where there are none.
        root: the folder that paths are relative to; None where nothing says so.
        count: N.
        batches: reads them from the start.
    """

    what: What
    source: str
    classes: ClassList
    thresholds: npt.NDArray[np.float32] | None
    root: Location | None
    count: int
    batches: Callable[[], Iterator[LabeledBatch]]

    def __iter__(self) -> Iterator[LabeledBatch]:
        return self.batches()

    @property
    def local_root(self) -> Path | None:
        """The folder that paths are relative to; None where it is not on this machine."""
        root = Path() if self.root is None else self.root
        return root if isinstance(root, Path) else None

    def place(self, path: str) -> str:
        """Where a picture lies: an absolute path with slashes, or a URL."""
        root = self.local_root
        return (
            str(self.root / path)
            if root is None and self.root
            else ((root or Path()).absolute() / path).as_posix()
        )
