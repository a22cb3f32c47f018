"""Truth as CSV: multi-hot columns, or one column of names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.csv_rows import Row, find_delimiter, read_rows, refuse_line_breaks
from cdul_edge_runtime.host.reading import read_text
from cdul_edge_runtime.metrics.truth_formats import OtherFormatError, RawTruth, as_table

PATH = "image_path"
_SEPARATORS = re.compile(r"[,;|]")
# What a cell of a multi-hot table may hold.
LABELS = {"1": 1, "0": 0, "-1": -1, "": -1, "1.0": 1, "0.0": 0, "-1.0": -1}


def read_csv(path: Path) -> RawTruth:
    """Multi-hot columns, or one column `label` of names joined by `,`, `;` or `|`.

    Columns are separated by commas, or by semicolons or tabs, as spreadsheets save them.

    Raises:
        CdulEdgeError: another header, or a row that does not fit it, with the row's line.
    """
    text = read_text(path)
    rows = read_rows(path, text, delimiter=find_delimiter(text, PATH))
    header = [name.strip() for name in rows[0].fields] if rows else []
    if header.count(PATH) != 1 or len(header) < 2:
        found = f"begins with {','.join(header)[:80]!r}" if rows else "is empty"
        raise OtherFormatError(f"{path} {found}, expected image_path,label or image_path,<class>,…")
    key = header.index(PATH)
    names = tuple(name for column, name in enumerate(header) if column != key)
    if not all(names):
        raise CdulEdgeError(f"{path} has a column without a name: name every class")
    paths = tuple(_picture(path, row, key) for row in rows[1:])
    cells = [row.fields[:key] + row.fields[key + 1 :] for row in rows[1:]]
    if names == ("label",):
        return _name_lists(paths, [_split(cell) for (cell,) in cells])
    labels = [
        [_label(cell, path, row.line) for cell in row_cells]
        for row, row_cells in zip(rows[1:], cells, strict=True)
    ]
    return RawTruth(names, paths, as_table(labels, paths, names))


def _picture(path: Path, row: Row, key: int) -> str:
    refuse_line_breaks(path, row.line, row.fields)
    picture = row.fields[key].strip()
    if not picture:
        raise CdulEdgeError(f"{path}, row {row.line} has an empty {PATH}: name a picture")
    return picture


def _name_lists(paths: tuple[str, ...], labels: list[list[str]]) -> RawTruth:
    names = tuple(sorted({name for row in labels for name in row}))
    column = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(paths), len(names)), dtype=np.int8)
    for number, row in enumerate(labels):
        table[number, [column[name] for name in row]] = 1
    return RawTruth(names, paths, table, names_present_only=True)


def _split(cell: str) -> list[str]:
    return [name.strip() for name in _SEPARATORS.split(cell) if name.strip()]


def _label(cell: str, path: Path, line: int) -> int:
    label = LABELS.get(cell.strip())
    if label is None:
        raise CdulEdgeError(
            f"{path}, row {line} holds {cell[:40]!r}, expected 1 (present), 0 (absent), "
            "-1 or nothing (a column of class names is called `label`)"
        )
    return label
