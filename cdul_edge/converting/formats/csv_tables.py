"""Tables: a column for each class, with labels or with scores."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from cdul_edge.converting.formats.format import (
    Format,
    Imported,
    Notes,
    NotThisFormatError,
    Target,
    outer_space_or_break,
)
from cdul_edge.converting.labeled_set import LabeledSet
from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth_csv import PATH, read_csv


def write_table(
    file: Path, classes: ClassList, rows: Iterable[tuple[str, Sequence[object]]]
) -> None:
    """Write `image_path` and a column for each class; a value a class, as its text.

    Raises:
        CdulEdgeError: a class that a table's header cannot hold.
    """
    for name in classes:
        if name.strip() == PATH or "\n" in name or "\r" in name:
            raise CdulEdgeError(f"no table can have a column {name!r}: rename the class")
    with file.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow([PATH, *classes])
        table.writerows([path, *values] for path, values in rows)


def _write_labels(found: LabeledSet, target: Target) -> Notes:
    batches = (zip(batch.paths, batch.labels.tolist(), strict=True) for batch in found)
    write_table(target.place, found.classes, (row for batch in batches for row in batch))
    return Notes()


def _write_scores(found: LabeledSet, target: Target) -> Notes:
    if found.thresholds is None:
        raise CdulEdgeError(f"{found.source} has no scores: --to csv writes its labels")
    batches = (zip(batch.paths, batch.score_texts() or (), strict=True) for batch in found)
    write_table(target.place, found.classes, (row for batch in batches for row in batch))
    return Notes(losses=("a table of scores holds no thresholds: whoever reads it decides by 0.5",))


def _read(path: Path) -> Imported:
    if path.suffix.lower() != ".csv":
        raise NotThisFormatError("its name does not end in .csv")
    return Imported(read_csv(path))


CSV = Format(
    name="csv",
    title="CSV",
    write=_write_labels,
    read=_read,
    says_unknown=True,
    fold=fold_class,
    refuse_path=outer_space_or_break,
)
CSV_SCORES = Format(
    name="csv-scores",
    title="CSV of scores",
    write=_write_scores,
    read=None,
    says_unknown=True,
    keeps_scores=True,
    fold=str.strip,
    refuse_path=outer_space_or_break,
)
