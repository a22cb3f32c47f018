"""`--threshold`: one number for every class, or a file with one for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge.cli.output.result_console import message_console

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cdul_edge_runtime.bundle.classes import ClassList

THRESHOLD_HELP = "One number for all classes, or a JSON file {class: number, or null for never}"


def read_given(given: str, classes: ClassList) -> npt.NDArray[np.float32]:
    """(C,) thresholds; a number outside [0, 1] or a faulty file is a `CdulEdgeError`."""
    from cdul_edge_runtime.bundle.thresholds import read_thresholds, same_threshold

    try:
        number = float(given)
    except ValueError:
        return read_thresholds(Path(given), classes)
    return same_threshold(number, classes)


def say_never(thresholds: npt.NDArray[np.float32], classes: ClassList) -> None:
    """Name on stderr the classes that no threshold was found for."""
    never = [name for name, value in zip(classes, thresholds.tolist(), strict=True) if value > 1]
    if never:
        line = f"no threshold does what was asked, so never predicted: {', '.join(never)}"
        message_console().print(line)
