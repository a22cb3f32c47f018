"""What every reader of truth gives, and the reader of NPZ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.npz import read_npz as read_arrays


class OtherFormatError(CdulEdgeError):
    """A file that is whole, and not of the format that its reader is for."""


class RawTruth(NamedTuple):
    """What a file says, unchecked; `TruthTable` has the same fields, and checks them."""

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int8]
    names_present_only: bool = False
    aliases: tuple[str, ...] = ()


def read_npz(path: Path) -> RawTruth:
    """NPZ with `names` (M,), `classes` (C,) and `labels` (M, C); other arrays do not matter.

    Raises:
        CdulEdgeError: it is damaged, lacks an array, or holds other values than 1, 0 and -1.
    """
    arrays = read_arrays(path, ("classes", "labels", "names"))
    names, classes, labels = arrays["names"], arrays["classes"], arrays["labels"]
    if names.ndim != 1 or classes.ndim != 1:
        raise CdulEdgeError(
            f"{path}: names {names.shape} and classes {classes.shape} must be lists of text"
        )
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (-1, 0, 1)).all():
        raise CdulEdgeError(f"{path}: labels must be 1 (present), 0 (absent) or -1 (unknown)")
    texts = _texts(path, classes), _texts(path, names)
    return RawTruth(*texts, labels.astype(np.int8))


def _texts(path: Path, array: npt.NDArray[np.generic]) -> tuple[str, ...]:
    """Text that numpy keeps as bytes is UTF-8; ids may be numbers."""
    try:
        return tuple(
            item.decode("utf-8") if isinstance(item, bytes) else str(item)
            for item in array.tolist()
        )
    except UnicodeDecodeError as error:
        raise CdulEdgeError(f"{path}: its names are not UTF-8 ({error.reason})") from error


def as_table(
    rows: Sequence[Sequence[int]], paths: Sequence[str], names: Sequence[str]
) -> npt.NDArray[np.int8]:
    """Rows of labels as an array, (M, C) even where M or C is 0."""
    return np.array(rows, dtype=np.int8).reshape(len(paths), len(names))
