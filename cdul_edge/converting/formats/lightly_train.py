"""LightlyTrain's CSV for multi-label classification, and the data arguments that go with it.

Source: docs.lightly.ai/train/stable/image_classification.html, and `ImageClassificationDataArgs` of
lightly-train 0.18: columns `image_path` and `label`, names joined by `label_delimiter`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from cdul_edge.converting.formats.format import (
    Format,
    Imported,
    Notes,
    NotThisFormatError,
    Target,
    folder_of,
    outer_space_or_break,
)
from cdul_edge.converting.formats.json_lists import to_json
from cdul_edge.converting.formats.name_lists import table_of
from cdul_edge.converting.labeled_set import LabeledSet
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.csv_rows import read_rows, refuse_line_breaks, refuse_repeated_columns
from cdul_edge_runtime.host.reading import read_text
from cdul_edge_runtime.metrics.truth_csv import PATH

_TABLE, _DATA = "labels.csv", "data.yaml"
_LABEL = "label"
_DELIMITERS = ",;|^~"


def _write(found: LabeledSet, target: Target) -> Notes:
    delimiter = _delimiter(found.classes)
    empty = sum(int((~(batch.labels == 1).any(axis=1)).sum()) for batch in found)
    with (target.place / _TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([PATH, _LABEL])
        table.writerows(_rows(found, delimiter))
    (target.place / _DATA).write_text(_data(found.classes, delimiter), encoding="utf-8")
    if not empty:
        return Notes()
    loss = f"{empty} picture(s) show no class: LightlyTrain skips rows without a label"
    return Notes(losses=(loss,))


def _rows(found: LabeledSet, delimiter: str) -> Iterator[tuple[str, str]]:
    for batch in found:
        for path, names in zip(batch.paths, batch.names(found.classes), strict=True):
            yield found.place(path), delimiter.join(names)


def _delimiter(classes: ClassList) -> str:
    """The first that no class holds: LightlyTrain takes any, and quotes do not protect names."""
    for delimiter in _DELIMITERS:
        if not any(delimiter in name for name in classes):
            return delimiter
    raise CdulEdgeError(
        f"LightlyTrain joins classes by one character, and theirs hold all of {_DELIMITERS}: "
        "rename a class"
    )


def _data(classes: ClassList, delimiter: str) -> str:
    """Text of JSON is text of YAML, too; JSON's keys could not be numbers."""
    lines = [f"train: {_TABLE}", "classes:"]
    lines += [f"  {number}: {to_json(name)}" for number, name in enumerate(classes)]
    return "\n".join([*lines, f"label_delimiter: {to_json(delimiter)}", ""])


def _read(path: Path) -> Imported:
    file = path / _TABLE if path.is_dir() else path
    if not file.is_file() or file.suffix.lower() != ".csv":
        raise NotThisFormatError(f"expected a .csv file, or a folder with {_TABLE}")
    rows = read_rows(file, read_text(file))
    header = rows[0].fields if rows else []
    if PATH not in header or _LABEL not in header:
        raise NotThisFormatError(f"{file.name} lacks a column {PATH} or {_LABEL}")
    refuse_repeated_columns(file, header)
    delimiter = _read_delimiter(path / _DATA) if path.is_dir() else ","
    paths, labels = [], []
    for line, fields in rows[1:]:
        refuse_line_breaks(file, line, fields)
        cells = dict(zip(header, fields, strict=True))
        paths.append(cells[PATH].strip())
        labels.append([one.strip() for one in cells[_LABEL].split(delimiter) if one.strip()])
    return Imported(table_of(paths, labels), closed=True)


def _read_delimiter(file: Path) -> str:
    if not file.is_file():
        return ","
    with extra_imports("train", "YAML"):
        import yaml
    try:
        content = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise CdulEdgeError(f"{file} is not valid YAML ({error})") from error
    delimiter = content.get("label_delimiter", ",") if isinstance(content, dict) else None
    if not isinstance(delimiter, str) or not delimiter:
        raise CdulEdgeError(f"{file} names no label_delimiter that is text")
    return delimiter


LIGHTLY_TRAIN = Format(
    name="lightly-train",
    title="LightlyTrain",
    write=_write,
    read=_read,
    kind=folder_of("lightly-train", "LightlyTrain", _TABLE, _DATA),
    by_place=True,
    fold=str.strip,
    refuse_path=outer_space_or_break,
)
