"""Hugging Face's ImageFolder: metadata.jsonl (or .csv) in a folder above the pictures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cdul_edge.converting.formats.format import (
    Format,
    Imported,
    Notes,
    NotThisFormatError,
    Target,
    folder_of,
    no_copy,
)
from cdul_edge.converting.formats.json_lists import to_json
from cdul_edge.converting.formats.name_lists import table_of
from cdul_edge.converting.labeled_set import LabeledSet
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.csv_rows import read_rows, refuse_repeated_columns
from cdul_edge_runtime.host.json_record import RecordError, parse_record
from cdul_edge_runtime.host.reading import read_text

_METADATA = "metadata.jsonl"
_NAMES = (_METADATA, "metadata.csv")
_PICTURES = "images"


@dataclass(frozen=True)
class _Row:
    """One line of metadata; `path` is ours, where the pictures were copied under other names."""

    file_name: str
    labels: tuple[str, ...]
    path: str | None = None


def _write(found: LabeledSet, target: Target) -> Notes:
    if not target.copy and target.out.name != _METADATA:
        raise CdulEdgeError(
            f"datasets reads only pictures that lie below {_METADATA}: write it into their folder "
            f"({(found.local_root or Path()) / _METADATA}), or copy them with --copy"
        )
    if target.copy:
        (target.place / _PICTURES).mkdir()
    file = target.place / _METADATA if target.copy else target.place
    with file.open("w", encoding="utf-8", newline="\n") as opened:
        opened.writelines(_lines(found, target))
    return Notes()


def _lines(found: LabeledSet, target: Target) -> Iterator[str]:
    number = 0
    for batch in found:
        texts = batch.score_texts()
        names = batch.names(found.classes)
        for row, (path, labels) in enumerate(zip(batch.paths, names, strict=True)):
            number += 1
            fields = [f'"file_name": {to_json(_file_name(found, target, path, number))}']
            fields += [f'"labels": {to_json(labels)}']
            fields += [] if texts is None else [f'"scores": [{", ".join(texts[row])}]']
            fields += [f'"path": {to_json(path)}'] if target.copy else []
            yield f"{{{', '.join(fields)}}}\n"


def _file_name(found: LabeledSet, target: Target, path: str, number: int) -> str:
    if target.copy:
        name = f"{_PICTURES}/{number:08d}{PurePosixPath(path).suffix}"
        source = found.place(path)
        try:
            shutil.copyfile(source, target.place / name)
        except OSError as error:
            raise no_copy(source, error) from error
        return name
    folder = target.out.absolute().parent
    name = Path(os.path.relpath(found.place(path), folder)).as_posix()
    if name.startswith("../"):
        raise CdulEdgeError(
            f"{found.place(path)} does not lie below {folder}, and datasets reads no other "
            f"pictures: write {_METADATA} into a folder above them, or copy them with --copy"
        )
    return name


def _read(path: Path) -> Imported:
    file = path
    if path.is_dir():
        there = [path / name for name in _NAMES if (path / name).is_file()]
        if not there:
            raise NotThisFormatError(f"it holds no {' nor '.join(_NAMES)}")
        file = there[0]
    if file.name not in _NAMES:
        raise NotThisFormatError(f"expected a folder with {' or '.join(_NAMES)}")
    rows = list(_csv_rows(file) if file.suffix == ".csv" else _json_rows(file))
    paths = [row.path or row.file_name for row in rows]
    return Imported(table_of(paths, [row.labels for row in rows]), closed=True)


def _json_rows(file: Path) -> Iterator[_Row]:
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if line.strip():
            try:
                yield parse_record(_Row, json.loads(line))
            except (ValueError, RecursionError, RecordError) as error:
                raise _damaged(file, number, error) from error


def _csv_rows(file: Path) -> Iterator[_Row]:
    """A CSV has no lists: a cell holds one as JSON."""
    rows = read_rows(file, read_text(file))
    header = rows[0].fields if rows else []
    if not {"file_name", "labels"} <= set(header):
        raise NotThisFormatError(f"{file.name} lacks a column file_name or labels")
    refuse_repeated_columns(file, header)
    for row in rows[1:]:
        cells: dict[str, object] = dict(zip(header, row.fields, strict=True))
        try:
            yield parse_record(_Row, {**cells, "labels": json.loads(str(cells["labels"]))})
        except (ValueError, RecursionError, RecordError) as error:
            raise _damaged(file, row.line, error) from error


def _damaged(file: Path, line: int, error: Exception) -> CdulEdgeError:
    return CdulEdgeError(
        f'{file}, line {line} is not {{"file_name": …, "labels": [name, …]}} ({error})'
    )


IMAGE_FOLDER = Format(
    name="imagefolder",
    title="ImageFolder",
    write=_write,
    read=_read,
    kind=folder_of("imagefolder", "ImageFolder", _METADATA, f"{_PICTURES}/*"),
    keeps_scores=True,
    copies=True,
    by_place=True,
)
