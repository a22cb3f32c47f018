"""Scores of pictures batch by batch, whoever made them, in memory that does not grow with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.scored_pictures import UNKNOWN, is_score, parse_prediction
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.csv_rows import refuse_line_breaks

ROWS = 4096
_CSV_THRESHOLD = 0.5
_FIRST_LINE = 64 << 20  # bytes; a prediction of 10,000 classes has 400 kB


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
    """

    file: Path
    classes: ClassList
    root: Path | None
    labelled_by: str | None

    def __iter__(self) -> Iterator[ScoreRows]:
        """Batches in order; raises `CdulEdgeError` at what is damaged, with its line."""
        if self.file.suffix.lower() == ".jsonl":
            return _read_json_lines(self.file, self.classes)
        if self.file.suffix.lower() == ".csv":
            return _read_table(self.file, self.classes)
        return _read_labels(self.file)


def stream_scores(file: Path) -> ScoreStream:
    """Open a labels folder, a pseudo-label file, or predictions as JSON lines or CSV.

    Raises:
        CdulEdgeError: nothing there, another format, or a damaged beginning.
    """
    suffix = file.suffix.lower()
    if file.is_dir() or suffix == ".parquet":
        return _open_labels(file)
    if suffix not in (".jsonl", ".csv"):
        raise CdulEdgeError(
            f"{file} holds no scores: expected a labels folder, .parquet, .jsonl or .csv"
        )
    try:
        with file.open("rb") as opened:
            first = opened.readline(_FIRST_LINE).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise CdulEdgeError(f"{file} cannot be read ({error})") from error
    if suffix == ".jsonl":
        names = tuple(parse_prediction(first, f"{file}, line 1").scores)
    else:
        header = next(csv.reader([first]), [])
        if header[:1] != ["image_path"]:
            raise CdulEdgeError(
                f"{file} is not a table of predictions: expected image_path,<class>,…"
            )
        names = tuple(header[1:])
    try:
        return ScoreStream(file, ClassList(names), None, None)
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{file}: {error}") from error


def _open_labels(file: Path) -> ScoreStream:
    with extra_imports("train", "reading pseudo-labels"):
        from cdul_edge.labels.label_stream import iterate_labels
        from cdul_edge.labels.pseudo_labels import SCORES_OF_NETWORK
    stream = iterate_labels(file)
    aggregation = stream.provenance.get("aggregation")
    strategy = aggregation.get("strategy") if isinstance(aggregation, dict) else None
    predicted = stream.provenance.get("scores_of") == SCORES_OF_NETWORK
    made_by = strategy if isinstance(strategy, str) else UNKNOWN
    root = stream.root if isinstance(stream.root, Path) else None
    return ScoreStream(file, stream.classes, root, None if predicted else made_by)


def _read_labels(file: Path) -> Iterator[ScoreRows]:
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


def _read_table(file: Path, classes: ClassList) -> Iterator[ScoreRows]:
    with _opened(file) as opened:
        reader = csv.reader(opened)
        next(reader)
        rows = (row for row in reader if row)
        while batch := list(islice(rows, ROWS)):
            for row in batch:
                refuse_line_breaks(file, reader.line_num, row)
            scores = np.array([_parse_cells(file, row, len(classes)) for row in batch], np.float32)
            yield ScoreRows([row[0] for row in batch], scores, scores >= _CSV_THRESHOLD)


def _parse_cells(file: Path, row: list[str], count: int) -> list[float]:
    try:
        values = [float(cell) for cell in row[1:]]
    except ValueError as error:
        raise CdulEdgeError(f"{file}, the row of {row[0]!r}: {error}") from error
    if len(values) != count or not all(map(is_score, values)):
        raise CdulEdgeError(
            f"{file}, the row of {row[0]!r} has {len(values)} scores, or one that is not finite: "
            f"expected {count} numbers"
        )
    return values


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            yield opened
    except (UnicodeDecodeError, csv.Error) as error:
        raise CdulEdgeError(f"{file} is not a text of rows ({error}): make it again") from error
