"""What is converted to another form: pseudo-labels, predictions, labels of people, or truth."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cdul_edge.converting.labeled_set import LabeledBatch, LabeledSet
from cdul_edge.converting.request import ConvertRequest
from cdul_edge.labels.distinct_paths import DistinctPaths
from cdul_edge.labels.observed import answers_of, read_answers
from cdul_edge.labels.score_stream import stream_scores
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.metrics.truth import TruthTable, read_truth
from cdul_edge_runtime.metrics.truth_csv import LABELS, PATH, read_csv
from cdul_edge_runtime.metrics.truth_formats import RawTruth

if TYPE_CHECKING:
    from cdul_edge.labels.label_stream import LabelStream

_BATCH = 4096
_TABLES = (".csv", ".json", ".npz")


def open_set(request: ConvertRequest) -> LabeledSet:
    """Open what is to be converted.

    Pseudo-labels and predictions are read in batches, at each pass; everything else is read whole.

    Raises:
        CdulEdgeError: nothing there, a damaged file, or nothing of this program.
    """
    source = request.input
    if not isinstance(source, Path) or _is_pseudo_labels(source):
        _refuse_labels(request, "pseudo-labels")
        return _of_stream(open_labels(source), request)
    if source.is_file() and (source.suffix.lower() == ".jsonl" or _is_scores(source)):
        _refuse_labels(request, "predictions")
        return _of_predictions(source, request)
    if not source.exists():
        raise CdulEdgeError(f"{source} does not exist: check the path")
    if not source.is_dir() and source.suffix.lower() not in _TABLES:
        raise CdulEdgeError(
            f"{source} is nothing that --to converts: expected a labels folder, .parquet of "
            "pseudo-labels, predictions (.jsonl, .csv), or labels and truth as for `train "
            "--observed` and `evaluate --truth`"
        )
    if request.labels is not None:
        return _of_answers(source, open_labels(request.labels), request)
    return _of_truth(source, request)


def all_paths(stream: LabelStream) -> list[str]:
    """Of all pictures of pseudo-labels."""
    return [path for rows in stream.read(("path",)) for path in rows.paths]


def open_labels(where: Location) -> LabelStream:
    """Pseudo-labels, to be read in batches."""
    with extra_imports("train", "reading pseudo-labels"):
        from cdul_edge.labels.label_stream import iterate_labels
    return iterate_labels(where)


def _is_pseudo_labels(source: Path) -> bool:
    if source.is_dir():
        return not any(file.suffix.lower() == ".xml" for file in source.iterdir())
    return source.suffix.lower() == ".parquet"


def _is_scores(source: Path) -> bool:
    """Whether a table holds scores: truth and labels have nothing but 1, 0, -1, and gaps.

    What is damaged is none; the reader of truth says what is wrong with it.
    """
    if source.suffix.lower() != ".csv":
        return False
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = [name.strip() for name in next(rows, [])]
            if PATH not in header or header == [PATH, "label"]:
                return False
            key = header.index(PATH)
            cells = (cell for row in rows for n, cell in enumerate(row) if n != key)
            return any(cell.strip() not in LABELS and _is_number(cell) for cell in cells)
    except (UnicodeDecodeError, csv.Error):
        return False


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _refuse_labels(request: ConvertRequest, what: str) -> None:
    if request.labels is not None:
        raise CdulEdgeError(
            f"{request.input} are {what}: --labels goes with labels that people gave"
        )


def _of_stream(stream: LabelStream, request: ConvertRequest) -> LabeledSet:
    def batches() -> Iterator[LabeledBatch]:
        for rows in stream.read(("path", "scores")):
            yield _decided(rows.paths, rows.scores, stream.thresholds)

    return LabeledSet(
        what="pseudo-labels",
        source=str(request.input),
        classes=stream.classes,
        thresholds=stream.thresholds,
        root=stream.root if request.images is None else request.images,
        count=stream.count,
        batches=batches,
    )


def _decided(
    paths: Sequence[str], scores: npt.NDArray[np.float32], thresholds: npt.NDArray[np.float32]
) -> LabeledBatch:
    return LabeledBatch(paths, (scores >= thresholds).astype(np.int8), scores)


def _of_predictions(source: Path, request: ConvertRequest) -> LabeledSet:
    """Their decisions are the labels; a first pass finds thresholds where none are said."""
    stream = stream_scores(source)
    lowest = np.full(len(stream.classes), np.inf, np.float32)
    count = 0
    with closing(DistinctPaths()) as paths:
        for rows in stream:
            if ((rows.scores < 0) | (rows.scores > 1)).any():
                raise CdulEdgeError(
                    f"{source} holds scores outside [0, 1]: give what `label` or `predict` wrote"
                )
            decided = np.where(rows.decided, rows.scores, np.float32(np.inf))
            lowest = np.minimum(lowest, decided.min(axis=0))
            count += len(rows.paths)
            paths.add(rows.paths)
        twice = paths.find_twice(lambda: (rows.paths for rows in stream))
    if twice is not None:
        raise CdulEdgeError(f"{source} names {twice!r} twice: each picture counts once")

    def batches() -> Iterator[LabeledBatch]:
        for rows in stream:
            yield LabeledBatch(rows.paths, rows.decided.astype(np.int8), rows.scores)

    return LabeledSet(
        what="predictions",
        source=str(source),
        classes=stream.classes,
        thresholds=lowest if stream.thresholds is None else stream.thresholds,
        root=request.images,
        count=count,
        batches=batches,
    )


def _of_truth(source: Path, request: ConvertRequest) -> LabeledSet:
    raw = read_csv(source) if source.suffix.lower() == ".csv" and source.is_file() else None
    signed = [name for name in raw.classes if name.startswith("-")] if raw else []
    if raw and raw.names_present_only and signed:
        raise CdulEdgeError(
            f"{source} names classes that are not there ({signed[0]!r}), so it is what people said "
            "of labels: give their folder as --labels"
        )
    truth = read_truth(source)
    if not truth.paths:
        raise CdulEdgeError(f"{source} names no picture: there is nothing to convert")

    def batches() -> Iterator[LabeledBatch]:
        for start in range(0, len(truth.paths), _BATCH):
            part = slice(start, start + _BATCH)
            yield LabeledBatch(truth.paths[part], truth.labels[part], None)

    return LabeledSet(
        what="labels",
        source=str(source),
        classes=_classes(truth, source),
        thresholds=None,
        root=request.images,
        count=len(truth.paths),
        batches=batches,
    )


def _classes(truth: TruthTable, source: Path) -> ClassList:
    try:
        return ClassList(truth.classes)
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{source}: {error}") from error


def _of_answers(source: Path, stream: LabelStream, request: ConvertRequest) -> LabeledSet:
    """Labels of people and the scores beside; pictures of which they said nothing are left out."""
    if source.suffix.lower() in (".csv", ".npz"):
        given = read_answers((source,), stream.classes)
    else:
        truth = read_truth(source)
        raw = RawTruth(truth.classes, truth.paths, truth.labels)
        given = answers_of(raw, source, stream.classes)
    found = given.find(all_paths(stream), root=stream.root)
    answers = found.table(stream.count, len(stream.classes))
    labels = np.where(answers == 0, -1, answers > 0).astype(np.int8)
    asked = (answers != 0).any(axis=1)

    def batches() -> Iterator[LabeledBatch]:
        start = 0
        for rows in stream.read(("path", "scores")):
            chosen = np.flatnonzero(asked[start : start + len(rows.paths)])
            if len(chosen):
                paths = [rows.paths[row] for row in chosen.tolist()]
                yield LabeledBatch(paths, labels[start + chosen], rows.scores[chosen])
            start += len(rows.paths)

    return LabeledSet(
        what="labels",
        source=str(source),
        classes=stream.classes,
        thresholds=stream.thresholds,
        root=stream.root if request.images is None else request.images,
        count=int(asked.sum()),
        batches=batches,
    )
