"""Labels that people gave to some pictures, read from a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.matching import find_rows
from cdul_edge_runtime.metrics.truth_csv import read_csv
from cdul_edge_runtime.metrics.truth_formats import RawTruth, read_npz

Observed = npt.NDArray[np.int8]

_NOTHING = "nothing is known in it: drop the option, or give some labels"


def read_observed(file: Path, labels_paths: Sequence[str], classes: ClassList) -> Observed:
    """Read known labels, in one of three forms.

    * CSV multi-hot: `image_path,<class>,<class>…` with 1, 0, and -1 or nothing for unknown; a class
      without a column is unknown;
    * NPZ with the arrays `names`, `classes`, `labels`, of the same values;
    * CSV `image_path,label`: names joined by commas, `dog` for one that is there and `-dog` for one
      that is not; what is not named is unknown. A picture may have several rows.

    Pictures and classes are matched as truth is: by path, else file name, else stem; whatever the
    names' case, spaces and hyphens.

    Args:
        labels_paths: N paths of the pseudo-labels.
        classes: of the C columns.

    Returns:
        (N, C) 1, -1, or 0.

    Raises:
        CdulEdgeError: no such file or another format, pictures that are not labeled, unknown
            classes, a label both ways, or nothing known at all.
    """
    raw = _read(file)
    columns, values = _signed(raw, classes, file)
    rows = _rows(raw.paths, labels_paths, file)
    seen = np.zeros((2, len(labels_paths), len(classes)), dtype=np.bool_)
    for layer, sign in enumerate((1, -1)):
        pictures, names = np.nonzero(values == sign)
        seen[layer, rows[pictures], columns[names]] = True
    both = np.argwhere(seen[0] & seen[1])
    if len(both):
        row, column = both[0]
        raise CdulEdgeError(
            f"{file} contradicts itself on {len(both)} label(s): {classes.names[column]!r} is both "
            f"there and not there in {labels_paths[row]!r}: keep one of the two"
        )
    observed: Observed = seen[0].astype(np.int8) - seen[1].astype(np.int8)
    if not observed.any():
        raise CdulEdgeError(f"{file}: {_NOTHING}")
    return observed


def _read(file: Path) -> RawTruth:
    readers: dict[str, Callable[[Path], RawTruth]] = {".csv": read_csv, ".npz": read_npz}
    if not file.is_file():
        raise CdulEdgeError(f"the observed labels {file} are not a file: check the path")
    if file.suffix.lower() not in readers:
        raise CdulEdgeError(f"{file} holds no observed labels: expected .csv or .npz")
    raw = readers[file.suffix.lower()](file)
    if raw.labels.shape != (len(raw.paths), len(raw.classes)):
        raise CdulEdgeError(
            f"{file}: {len(raw.paths)} names and {len(raw.classes)} classes do not fit labels "
            f"{raw.labels.shape}"
        )
    return raw


def _signed(
    raw: RawTruth, classes: ClassList, file: Path
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]]:
    """(K,) our column of each of the file's columns, and (M, K) values 1, -1, 0 of its rows."""
    names = raw.classes
    if raw.names_present_only:  # a class's own name may begin with a hyphen, too
        absent = [name.startswith("-") and name not in classes.names for name in names]
        names = tuple(name[minus:] for name, minus in zip(names, absent, strict=True))
        values = np.where(absent, -raw.labels, raw.labels)
    else:
        values = np.where(raw.labels < 0, 0, 2 * raw.labels - 1).astype(np.int8)
    where = {fold_class(name): column for column, name in enumerate(classes)}
    unknown = sorted({name for name in names if fold_class(name) not in where})
    if unknown:
        near = difflib.get_close_matches(unknown[0], classes.names, 3, 0.5) or classes.names[:8]
        raise CdulEdgeError(
            f"{file} names {', '.join(map(repr, unknown[:3]))}, which "
            f"{'is no class' if len(unknown) == 1 else 'are no classes'} of the labels: their "
            f"{len(classes)} classes include {', '.join(near)}"
        )
    return np.array([where[fold_class(name)] for name in names], dtype=np.intp), values


def _rows(pictures: Sequence[str], labels_paths: Sequence[str], file: Path) -> npt.NDArray[np.intp]:
    """(M,) the row of the pseudo-labels for each of the file's."""
    unique = list(dict.fromkeys(pictures))
    try:
        matches = find_rows(labels_paths, unique, whose="the label file")
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{file}: {error}") from error
    if not matches.found.all():
        unknown = [path for path, known in zip(unique, matches.found, strict=True) if not known]
        raise CdulEdgeError(
            f"{file} names {len(unknown)} picture(s) that are not among the {len(labels_paths)} "
            f"labeled ones (such as {unknown[0]!r}): take them out, or label them"
        )
    row = dict(zip(unique, matches.rows, strict=True))
    return np.array([row[path] for path in pictures], dtype=np.intp)
