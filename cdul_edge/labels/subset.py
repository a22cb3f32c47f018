"""Where labeled pictures lie now, and which of them count: labels may be of more than there are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.matching import find_rows
from cdul_edge_runtime.pictures.images import find_images
from cdul_edge_runtime.pictures.list_files import read_list

PRESENT = "present"

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ChosenLabels:
    """Pseudo-labels of K of N labeled pictures, and `rows`, (K,) numbers of them, ascending."""

    labels: PseudoLabels
    rows: Rows

    @property
    def digest(self) -> str:
        """Of the pictures' paths."""
        return hashlib.sha256("\n".join(self.labels.paths).encode()).hexdigest()


def choose_pictures(
    labels: PseudoLabels, *, images: Path | None = None, only: str | Path | None = None
) -> ChosenLabels:
    """Find the labeled pictures, and keep those that are asked for.

    Args:
        labels: N pictures.
        images: a folder or a list of the pictures as they lie now; those whose path is not there
            are found by file name or stem. None leaves the labels' own root.
        only: None keeps every picture, there or not; "present" those that are there; a list (text
            of paths, or a CSV with `image_path`) those that it names, by path, file name or stem.

    Raises:
        CdulEdgeError: nothing left, a name that fits several pictures, or a list that names
            pictures without a label.
    """
    found = labels if images is None else _move(labels, images)
    if only is None:
        return ChosenLabels(found, np.arange(len(labels.paths)))
    if str(only) == PRESENT:
        rows = np.flatnonzero([(found.folder / path).is_file() for path in found.paths])
        if not len(rows):
            raise CdulEdgeError(
                f"none of the {len(found.paths)} labeled pictures is in {found.root}: the labels "
                f"name {found.paths[0]!r}; give the folder they lie in now as --images"
            )
    else:
        rows = _find_listed(labels, Path(only))
    return ChosenLabels(take_rows(found, rows), rows)


def take_rows(labels: PseudoLabels, rows: Rows) -> PseudoLabels:
    """The labels of these pictures, in the order of `rows`; the thresholds stay those of all."""
    return replace(
        labels,
        paths=tuple(labels.paths[row] for row in rows),
        scores=labels.scores[rows],
        cosines=None if labels.cosines is None else labels.cosines[rows],
    )


def _move(labels: PseudoLabels, images: Path) -> PseudoLabels:
    """The same labels under the paths of `images`; a picture that is not there keeps its own."""
    if not images.exists():
        return replace(labels, root=images)  # whoever needs the pictures says that they are gone
    if images.is_dir() and all((images / path).is_file() for path in labels.paths):
        return replace(labels, root=images.resolve())
    there = find_images(images)
    matches = find_rows(there.paths, labels.paths, whose=f"{images}")
    pairs = zip(labels.paths, matches.found, matches.rows, strict=True)
    paths = tuple(there.paths[row] if found else path for path, found, row in pairs)
    return replace(labels, root=there.root, paths=paths)


def _find_listed(labels: PseudoLabels, file: Path) -> Rows:
    if not file.is_file():
        raise CdulEdgeError(
            f"--only {file}: there is no such file; give a list of pictures, or {PRESENT}"
        )
    names: Sequence[str] = read_list(file)
    if not names:
        raise CdulEdgeError(f"{file} names no picture: expected one path per line")
    matches = find_rows(labels.paths, names, whose="the labels")
    if not matches.found.all():
        unknown = [name for name, found in zip(names, matches.found, strict=True) if not found]
        raise CdulEdgeError(
            f"{file} names {len(unknown)} picture(s) that have no label, such as {unknown[0]!r}: "
            "take them out, or label them"
        )
    return np.sort(matches.rows)
