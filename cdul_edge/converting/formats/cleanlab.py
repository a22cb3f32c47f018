"""What cleanlab's `multilabel_classification` takes: lists of class numbers, and probabilities."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdul_edge.converting.formats.format import (
    Format,
    Imported,
    Notes,
    NotThisFormatError,
    Target,
    folder_of,
)
from cdul_edge.converting.formats.json_lists import to_json, write_list
from cdul_edge.converting.formats.name_lists import table_of
from cdul_edge.converting.labeled_set import LabeledSet
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import RecordError, parse_record
from cdul_edge_runtime.host.reading import read_json_text

_LABELS, _PICTURES, _CLASSES, _SCORES = (
    *("labels.json", "pictures.json", "classes.json"),
    "pred_probs.npz",
)


@dataclass(frozen=True)
class _Lists:
    """The three JSON files, as one record."""

    labels: tuple[tuple[int, ...], ...]
    pictures: tuple[str, ...]
    classes: tuple[str, ...]


def _write(found: LabeledSet, target: Target) -> Notes:
    if found.thresholds is None:
        raise CdulEdgeError(
            "cleanlab compares labels with scores: give the labels folder that has them as --labels"
        )
    labels = (to_json(row) for batch in found for row in _numbers(batch.labels.tolist()))
    _write_json(target.place / _LABELS, labels)
    _write_json(target.place / _PICTURES, (to_json(p) for batch in found for p in batch.paths))
    _write_json(target.place / _CLASSES, map(to_json, found.classes))
    _write_scores(found, target.place / _SCORES)
    if found.what == "labels":
        return Notes()
    loss = (
        "these labels are the scores above their thresholds, so cleanlab finds nothing that the "
        "scores do not say: give labels of people, and the scores as --labels"
    )
    return Notes(losses=(loss,))


def _numbers(labels: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    for row in labels:
        yield [column for column, label in enumerate(row) if label == 1]


def _write_json(file: Path, entries: Iterator[str]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as opened:
        write_list(opened, entries)


def _write_scores(found: LabeledSet, file: Path) -> None:
    """`pred_probs` (N, C) float32, a batch at a time; its header stands first."""
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        archive.open(zipfile.ZipInfo("pred_probs.npy"), "w", force_zip64=True) as opened,
    ):
        np.lib.format.write_array_header_1_0(
            opened,
            {
                "descr": "<f4",
                "fortran_order": False,
                "shape": (found.count, len(found.classes)),
            },
        )
        for batch in found:
            assert batch.scores is not None
            opened.write(np.ascontiguousarray(batch.scores, "<f4").tobytes())


def _read(path: Path) -> Imported:
    names = (_LABELS, _PICTURES, _CLASSES)
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise NotThisFormatError(f"expected a folder with {', '.join(names)}")
    content = {name.partition(".")[0]: read_json_text(path / name) for name in names}
    try:
        lists = parse_record(_Lists, content)
    except RecordError as error:
        raise CdulEdgeError(f"{path} is damaged ({error})") from error
    if len(lists.labels) != len(lists.pictures):
        raise CdulEdgeError(
            f"{path / _LABELS} has {len(lists.labels)} rows, and {_PICTURES} names "
            f"{len(lists.pictures)} pictures"
        )
    for row, numbers in zip(lists.pictures, lists.labels, strict=True):
        outside = [number for number in numbers if not 0 <= number < len(lists.classes)]
        if outside:
            raise CdulEdgeError(
                f"{path / _LABELS} gives {row!r} the class {outside[0]}, and {_CLASSES} names "
                f"{len(lists.classes)}"
            )
    present = [[lists.classes[number] for number in row] for row in lists.labels]
    return Imported(table_of(lists.pictures, present, lists.classes))


CLEANLAB = Format(
    name="cleanlab",
    title="cleanlab",
    write=_write,
    read=_read,
    kind=folder_of("cleanlab", "cleanlab", _LABELS, _PICTURES, _CLASSES, _SCORES),
    keeps_scores=True,
)
