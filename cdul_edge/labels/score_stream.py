"""Scores of pictures batch by batch, whoever made them, in memory that does not grow with them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.csv_rows import Row, iterate_rows, refuse_line_breaks
from cdul_edge_runtime.host.reading import refuse_special

ROWS = 4096
_CSV_THRESHOLD = 0.5
UNKNOWN = "unknown"  # who made pseudo-labels that do not say
_LARGEST = float(np.finfo(np.float32).max)


class PredictionLine(NamedTuple):
    """One prediction of a JSON-lines file."""

    path: str
    labels: frozenset[str]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class ScoreRows:
    """Scores of M pictures.

    Attributes:
        paths: M paths as the file gives them.
        scores: (M, C) float32, finite.
        decided: (M, C) which labels are given.
    """

    paths: list[str]
    scores: npt.NDArray[np.float32]
    decided: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ScoreStream:
    """Scores of pictures, read again at each pass; a picture may be named twice.

    Attributes:
        file: what is read.
        classes: names of the C columns.
        root: the folder that relative paths lie in; None where the file does not say.
        labelled_by: of pseudo-labels, the strategy that made them, or `UNKNOWN`; None for
            predictions.
        thresholds: (C,) float32; a score at or above it counts as predicted. None where only the
            labels of each picture say so.
    """

    file: Location
    classes: ClassList
    root: Path | None = None
    labelled_by: str | None = None
    thresholds: npt.NDArray[np.float32] | None = None

    def __iter__(self) -> Iterator[ScoreRows]:
        """Batches in order; raises `CdulEdgeError` at what is damaged, with its line."""
        if isinstance(self.file, Path) and self.file.suffix.lower() == ".jsonl":
            return _read_json_lines(self.file, self.classes)
        if isinstance(self.file, Path) and self.file.suffix.lower() == ".csv":
            return _read_table(self.file)
        return _read_labels(self.file)


def stream_scores(file: Location) -> ScoreStream:
    """Open a labels folder, a pseudo-label file, or predictions as JSON lines or CSV.

    Raises:
        CdulEdgeError: nothing there, another format, or a damaged beginning.
    """
    if not isinstance(file, Path):
        if file.name.endswith((".jsonl", ".csv")):
            raise CdulEdgeError(f"{file}: predictions are read from this machine: copy them first")
        return _open_labels(file)
    if not file.exists():
        raise CdulEdgeError(f"{file} does not exist: give a labels folder or predictions")
    suffix = file.suffix.lower()
    if file.is_dir() or suffix == ".parquet":
        return _open_labels(file)
    if suffix not in (".jsonl", ".csv"):
        raise CdulEdgeError(
            f"{file} holds no scores: expected a labels folder, .parquet, .jsonl or .csv"
        )
    refuse_special(file)
    names = _first_names(file) if suffix == ".jsonl" else _header(file)
    try:
        classes = ClassList(names)
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{file}: {error}") from error
    decides = np.full(len(names), _CSV_THRESHOLD, np.float32) if suffix == ".csv" else None
    return ScoreStream(file, classes, thresholds=decides)


def _first_names(file: Path) -> tuple[str, ...]:
    with _opened(file) as opened:
        for number, line in enumerate(opened, start=1):
            if line.strip():
                names = tuple(parse_prediction(line, f"{file}, line {number}").scores)
                if len(names) == 1:
                    raise CdulEdgeError(
                        f"{file}, line {number} has a score of {names[0]!r} only: "
                        "every class needs a score, so predict without --top"
                    )
                return names
    raise CdulEdgeError(f"{file} is empty: it holds no predictions")


def _header(file: Path) -> tuple[str, ...]:
    with _opened(file) as opened:
        first = next(iterate_rows(file, opened), None)
    if first is None or first.fields[0] != "image_path":
        raise CdulEdgeError(f"{file} is not a table of predictions: expected image_path,<class>,…")
    return tuple(first.fields[1:])


def _open_labels(file: Location) -> ScoreStream:
    with extra_imports("train", "reading pseudo-labels"):
        from cdul_edge.labels.label_stream import iterate_labels
        from cdul_edge.labels.pseudo_labels import SCORES_OF_NETWORK
    stream = iterate_labels(file)
    predicted = stream.provenance.get("scores_of") == SCORES_OF_NETWORK
    made_by = UNKNOWN if stream.strategy is None else stream.strategy
    root = stream.root if isinstance(stream.root, Path) else None
    labelled_by = None if predicted else made_by
    return ScoreStream(file, stream.classes, root, labelled_by, stream.thresholds)


def _read_labels(file: Location) -> Iterator[ScoreRows]:
    from cdul_edge.labels.label_stream import iterate_labels

    stream = iterate_labels(file)
    for rows in stream.read(("path", "scores")):
        yield ScoreRows(list(rows.paths), rows.scores, rows.scores >= stream.thresholds)


def _read_json_lines(file: Path, classes: ClassList) -> Iterator[ScoreRows]:
    names = list(classes)
    with _opened(file) as opened:
        numbered = enumerate(opened, start=1)
        lines = ((number, line) for number, line in numbered if line.strip())
        while batch := list(islice(lines, ROWS)):
            rows = [(n, parse_prediction(line, f"{file}, line {n}")) for n, line in batch]
            for number, row in rows:
                if row.scores.keys() != set(names):
                    raise CdulEdgeError(
                        f"{file}, line {number} ({row.path!r}) has other classes than the first: "
                        "every class needs a score, so predict without --top"
                    )
            yield ScoreRows(
                [row.path for _, row in rows],
                np.array([[row.scores[name] for name in names] for _, row in rows], np.float32),
                np.array([[name in row.labels for name in names] for _, row in rows]),
            )


def _read_table(file: Path) -> Iterator[ScoreRows]:
    with _opened(file) as opened:
        rows = iterate_rows(file, opened)
        next(rows)
        while batch := list(islice(rows, ROWS)):
            scores = np.array([_parse_row(file, row) for row in batch], np.float32)
            yield ScoreRows([row.fields[0] for row in batch], scores, scores >= _CSV_THRESHOLD)


def _parse_row(path: Path, row: Row) -> list[float]:
    refuse_line_breaks(path, row.line, row.fields)
    if not row.fields[0]:
        raise CdulEdgeError(f"{path}, row {row.line} has an empty image_path: name a picture")
    try:
        values = [float(cell) for cell in row.fields[1:]]
    except ValueError as error:
        raise CdulEdgeError(f"{path}, row {row.line}: {error}") from error
    if not all(map(is_score, values)):
        raise CdulEdgeError(f"{path}, row {row.line} has a score that is not finite")
    return values


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            yield opened
    except (UnicodeDecodeError, csv.Error) as error:
        raise CdulEdgeError(f"{file} is not a text of rows ({error}): make it again") from error


def parse_prediction(line: str, where: str) -> PredictionLine:
    """A line of a file of predictions; raises `CdulEdgeError` that begins with `where`."""
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CdulEdgeError(f"{where} is not JSON ({error})") from error
    if isinstance(row, dict):
        path, labels, scores = (row.get(key) for key in ("path", "labels", "scores"))
        if (
            isinstance(path, str)
            and isinstance(labels, list)
            and all(isinstance(label, str) for label in labels)
            and isinstance(scores, dict)
            and scores
            and all(is_score(score) for score in scores.values())
        ):
            return PredictionLine(path, frozenset(labels), scores)
    raise CdulEdgeError(
        f'{where} is not {{"path": …, "labels": […], "scores": {{class: number}}}}, '
        "every number finite"
    )


def is_score(value: object) -> bool:
    """Whether it is a number, finite as float32; 10 ** 400 is a valid number in JSON."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -_LARGEST < value < _LARGEST
