"""The questions of a drawn sheet, as entries of the labels that it was drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cdul_edge.labels.sheet import Question, read_sheet, written
from cdul_edge.reviewing.scores import ReviewedScores
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.matching import find_rows, name_stem


@dataclass(frozen=True)
class SheetQuestion:
    """One row of the sheet.

    Attributes:
        path: of the picture, as the labels name it.
        name: of the class, as the labels do.
        question: the row.
    """

    path: str
    name: str
    question: Question


def read_questions(file: Path, scores: ReviewedScores) -> tuple[SheetQuestion, ...]:
    """Read a sheet, and find its pictures and classes among the scores.

    Raises:
        CdulEdgeError: no sheet, or one that was drawn from other scores.
    """
    questions = read_sheet(file)
    names = {written(name): name for name in scores.classes}
    unknown = next((one.name for one in questions if one.name not in names), None)
    if unknown is not None:
        raise _other(file, f"these have no class {unknown!r}")
    asked = list(dict.fromkeys(one.path for one in questions))
    rows = scores.paths({name_stem(path) for path in asked})
    known = {written(path): path for path in rows}
    matches = find_rows(tuple(known), asked, whose="the labels")
    if not matches.found.all():
        gone = asked[int(matches.found.argmin())]
        raise _other(file, f"these have no picture {gone!r}")
    paths = tuple(known.values())
    path_of = {path: paths[row] for path, row in zip(asked, matches.rows, strict=True)}
    found = tuple(SheetQuestion(path_of[one.path], names[one.name], one) for one in questions)
    _refuse_other_scores(file, scores, found, [rows[one.path] for one in found])
    return found


def _refuse_other_scores(
    file: Path, scores: ReviewedScores, found: Sequence[SheetQuestion], rows: Sequence[int]
) -> None:
    order = np.argsort(rows, kind="stable")
    ranked, start = np.asarray(rows)[order], 0
    for paths, batch in scores.batches():
        low, high = np.searchsorted(ranked, [start, start + len(paths)])
        for at in order[low:high].tolist():
            one = found[at]
            now = batch[rows[at] - start, scores.classes.index(one.name)]
            if np.float32(one.question.score) != now:
                raise _other(
                    file,
                    f"the score of {one.path!r} for {one.name} was {one.question.score}, is {now}",
                )
        start += len(paths)
    if found[0].question.pictures > start:
        raise _other(file, f"it knows {found[0].question.pictures} pictures, these {start}")


def _other(file: Path, what: str) -> CdulEdgeError:
    return CdulEdgeError(
        f"{file} was drawn from other scores than these: {what}; draw one with `cdul-edge sample`"
    )
