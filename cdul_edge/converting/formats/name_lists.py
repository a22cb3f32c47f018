"""Lists of names, picture by picture, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cdul_edge_runtime.metrics.truth_formats import RawTruth


def table_of(
    paths: Sequence[str],
    present: Sequence[Iterable[str]],
    classes: Iterable[str] = (),
    unknown: Sequence[Iterable[str]] | None = None,
) -> RawTruth:
    """What is not named is absent.

    Args:
        paths: M pictures.
        present: of each, the classes that it shows.
        classes: those that are known to be asked about; others that are named come after them.
        unknown: of each picture, the classes of which nothing is known; None: none.
    """
    everything = (*present, *(unknown or ()))
    names = tuple(dict.fromkeys((*classes, *(name for row in everything for name in row))))
    column = {name: number for number, name in enumerate(names)}
    labels = np.zeros((len(paths), len(names)), np.int8)
    for value, lists in ((-1, unknown or ()), (1, present)):
        for number, row in enumerate(lists):
            labels[number, [column[name] for name in row]] = value
    return RawTruth(names, tuple(paths), labels)
