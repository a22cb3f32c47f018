"""Scores of pictures, whoever made them: pseudo-labels, or predictions of a bundle."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports


@dataclass(frozen=True)
class ScoredPictures:
    """Scores of N pictures.

    Attributes:
        paths: N paths as the file gives them.
        classes: names of the C columns.
        scores: (N, C) float32.
        thresholds: (C,) float32; a score at or above it counts as predicted.
    """

    paths: tuple[str, ...]
    classes: ClassList
    scores: npt.NDArray[np.float32]
    thresholds: npt.NDArray[np.float32]


def read_scored_pictures(path: Path) -> ScoredPictures:
    """Read a labels folder, a pseudo-label Parquet file, or predictions as JSON lines or CSV.

    A line of JSON holds `path`, `labels` and `scores` (of every class); its labels are its
    decisions. A CSV holds `image_path` and one column of scores a class; 0.5 decides.

    Raises:
        CdulEdgeError: nothing there, another format, or a damaged line (with its number).
    """
    if not path.exists():
        raise CdulEdgeError(f"{path} does not exist: give a labels folder or predictions")
    if path.is_dir() or path.suffix == ".parquet":
        return _read_pseudo_labels(path)
    readers = {".jsonl": _read_json_lines, ".csv": _read_csv}
    if path.suffix not in readers:
        raise CdulEdgeError(
            f"{path} holds no scores: expected a labels folder, .parquet, .jsonl or .csv"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CdulEdgeError(f"{path} is not UTF-8: make it with `cdul-edge predict`") from error
    return readers[path.suffix](path, text)


def _read_pseudo_labels(path: Path) -> ScoredPictures:
    with extra_imports("train", "reading pseudo-labels"):
        from cdul_edge.labels.pseudo_labels import PseudoLabels
    labels = PseudoLabels.read(path)
    return ScoredPictures(labels.paths, labels.classes, labels.scores, labels.thresholds)


def _read_json_lines(path: Path, text: str) -> ScoredPictures:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(_parse_line(line, f"{path}, line {number}"))
    if not rows:
        raise CdulEdgeError(f"{path} is empty: it holds no predictions")
    names = tuple(rows[0]["scores"])
    for number, row in enumerate(rows, start=1):
        if set(row["scores"]) != set(names):
            raise CdulEdgeError(
                f"{path}: prediction {number} ({row['path']!r}) has other classes than the first: "
                "every class needs a score, so predict without --top"
            )
    scores = np.array([[row["scores"][name] for name in names] for row in rows], np.float32)
    decided = np.array([[name in row["labels"] for name in names] for row in rows])
    return ScoredPictures(
        tuple(row["path"] for row in rows), ClassList(names), scores, _implied(scores, decided)
    )


def _parse_line(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        valid = (
            isinstance(row["path"], str)
            and isinstance(row["labels"], list)
            and all(isinstance(value, (int, float)) for value in row["scores"].values())
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CdulEdgeError(
            f'{where} is not {{"path": …, "labels": […], "scores": {{class: number}}}}'
        ) from error
    if not valid:
        raise CdulEdgeError(f"{where} has a path, labels or scores of the wrong kind")
    found: dict[str, Any] = row
    return found


def _implied(
    scores: npt.NDArray[np.float32], decided: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """The thresholds that decide as the labels do: each class's lowest score with a label."""
    lowest: npt.NDArray[np.float32] = np.where(decided, scores, np.float32(np.inf)).min(axis=0)
    return lowest


def _read_csv(path: Path, text: str) -> ScoredPictures:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if len(rows) < 2 or rows[0][:1] != ["image_path"]:
        raise CdulEdgeError(f"{path} is no table of predictions: expected image_path,<class>,…")
    names = tuple(rows[0][1:])
    scores = np.array(list(_parse_rows(path, rows, len(names))), np.float32)
    thresholds = np.full(len(names), 0.5, np.float32)
    paths = tuple(row[0] for row in rows[1:])
    return ScoredPictures(paths, ClassList(names), scores, thresholds)


def _parse_rows(path: Path, rows: list[list[str]], width: int) -> Iterable[list[float]]:
    for number, row in enumerate(rows[1:], start=1):
        try:
            values = [float(cell) for cell in row[1:]]
        except ValueError as error:
            raise CdulEdgeError(f"{path}, picture {number}: {error}") from error
        if len(values) != width:
            raise CdulEdgeError(f"{path}, picture {number}: {len(values)} scores, expected {width}")
        yield values
