"""`--threshold`: one number for every class, or a file with one for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cdul_edge_runtime.bundle.classes import ClassList

THRESHOLD_HELP = "One number for all classes, or a JSON file {class: number, or null for never}"


def parse_threshold(text: str) -> float | Path:
    """A number, or else the path of a file; neither is checked."""
    try:
        return float(text)
    except ValueError:
        return Path(text)


def read_given(given: str, classes: ClassList) -> npt.NDArray[np.float32]:
    """(C,) thresholds; a number outside [0, 1] or a faulty file is a `CdulEdgeError`."""
    from cdul_edge_runtime.bundle.thresholds import given_thresholds

    return given_thresholds(parse_threshold(given), classes)
