"""Scores of pictures, whoever made them: pseudo-labels, or predictions of a bundle."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.csv_rows import Row, read_rows, refuse_line_breaks
from cdul_edge_runtime.host.reading import read_text

# Predictions of a thousand classes take 25 kB per picture.
MAX_SCORES_BYTES = 32 << 30
UNKNOWN = "unknown"  # who made pseudo-labels that do not say
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ScoredPictures:
    """Scores of N pictures.

    Attributes:
        paths: N paths as the file gives them.
        classes: names of the C columns.
        scores: (N, C) float32, finite.
        thresholds: (C,) float32; a score at or above it counts as predicted.
        root: the folder that relative paths lie in; None where the file does not say.
        labelled_by: of pseudo-labels, the strategy that made them, or `UNKNOWN`; None for
            predictions.
    """

    paths: tuple[str, ...]
    classes: ClassList
    scores: npt.NDArray[np.float32]
    thresholds: npt.NDArray[np.float32]
    root: Path | None = None
    labelled_by: str | None = None


class PredictionLine(NamedTuple):
    """One prediction of a JSON-lines file."""

    path: str
    labels: frozenset[str]
    scores: Mapping[str, float]


def read_scored_pictures(path: Location) -> ScoredPictures:
    """Read a labels folder, a pseudo-label Parquet file, or predictions as JSON lines or CSV.

    A line of JSON holds `path`, `labels` and `scores` (of every class); its labels are its
    decisions. A CSV holds `image_path` and one column of scores per class; 0.5 decides.

    Raises:
        CdulEdgeError: nothing there, another format, a damaged line (with its number), or a picture
            that is named twice.
    """
    found = _read(path)
    twice = next((one for one, count in Counter(found.paths).items() if count > 1), None)
    if twice is not None:
        raise CdulEdgeError(f"the scores {path} name {twice!r} twice: each picture counts once")
    return found


def _read(path: Location) -> ScoredPictures:
    if not isinstance(path, Path):
        if path.name.endswith((".jsonl", ".csv")):
            raise CdulEdgeError(f"{path}: predictions are read from this machine: copy them first")
        return _read_pseudo_labels(path)
    if not path.exists():
        raise CdulEdgeError(f"{path} does not exist: give a labels folder or predictions")
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ".parquet":
        return _read_pseudo_labels(path)
    readers = {".jsonl": _read_json_lines, ".csv": _read_csv}
    if suffix not in readers:
        raise CdulEdgeError(
            f"{path} holds no scores: expected a labels folder, .parquet, .jsonl or .csv"
        )
    return readers[suffix](path, read_text(path, limit_bytes=MAX_SCORES_BYTES))


def _read_pseudo_labels(path: Location) -> ScoredPictures:
    with extra_imports("train", "reading pseudo-labels"):
        from cdul_edge.labels.label_stream import iterate_labels
        from cdul_edge.labels.pseudo_labels import SCORES_OF_NETWORK
    stream = iterate_labels(path)
    scores = np.empty((stream.count, len(stream.classes)), np.float32)
    paths: list[str] = []
    for rows in stream.read(("path", "scores")):
        scores[len(paths) : len(paths) + len(rows.paths)] = rows.scores
        paths += rows.paths
    aggregation = stream.provenance.get("aggregation")
    strategy = aggregation.get("strategy") if isinstance(aggregation, dict) else None
    predicted = stream.provenance.get("scores_of") == SCORES_OF_NETWORK
    return ScoredPictures(
        paths=tuple(paths),
        classes=stream.classes,
        scores=scores,
        thresholds=stream.thresholds,
        root=stream.root if isinstance(stream.root, Path) else None,
        labelled_by=None if predicted else strategy if isinstance(strategy, str) else UNKNOWN,
    )


def _read_json_lines(path: Path, text: str) -> ScoredPictures:
    rows = [
        parse_prediction(line, f"{path}, line {number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    if not rows:
        raise CdulEdgeError(f"{path} is empty: it holds no predictions")
    names = tuple(rows[0].scores)
    for number, row in enumerate(rows, start=1):
        if set(row.scores) != set(names):
            raise CdulEdgeError(
                f"{path}: prediction {number} ({row.path!r}) has other classes than the first: "
                "every class needs a score, so predict without --top"
            )
    scores = np.array([[row.scores[name] for name in names] for row in rows], np.float32)
    decided = np.array([[name in row.labels for name in names] for row in rows])
    paths = tuple(row.path for row in rows)
    return ScoredPictures(paths, _classes(path, names), scores, _implied(scores, decided))


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


def _implied(
    scores: npt.NDArray[np.float32], decided: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """The thresholds that decide as the labels do: each class's lowest score with a label."""
    lowest: npt.NDArray[np.float32] = np.where(decided, scores, np.float32(np.inf)).min(axis=0)
    return lowest


def _read_csv(path: Path, text: str) -> ScoredPictures:
    rows = read_rows(path, text)
    if len(rows) < 2 or rows[0].fields[0] != "image_path":
        raise CdulEdgeError(f"{path} is not a table of predictions: expected image_path,<class>,…")
    classes = _classes(path, tuple(rows[0].fields[1:]))
    scores = np.array([_parse_row(path, row) for row in rows[1:]], np.float32)
    thresholds = np.full(len(classes), 0.5, np.float32)
    return ScoredPictures(tuple(row.fields[0] for row in rows[1:]), classes, scores, thresholds)


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


def _classes(path: Path, names: tuple[str, ...]) -> ClassList:
    try:
        return ClassList(names)
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{path}: {error}") from error
