"""The page itself: questions, pictures, and all that its script needs to write the answers."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.labels.sheet import COLUMNS, SPELLINGS, row_cells
from cdul_edge.page.page import Page, render
from cdul_edge.page.thumbnails import Thumbnails
from cdul_edge.reviewing.answer_file import choose_form, columns_of, is_sayable
from cdul_edge.reviewing.questions import PageQuestions
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.ownership import FileKind

TITLE = "cdul-edge review"
_MARK = b'<meta name="generator" content="cdul-edge review">'
REVIEW_PAGE = FileKind("review page", lambda beginning: _MARK in beginning)

_SIDES_PX = (320, 256, 192, 128)
# Of base64: a page of 200 pictures stays below 5 MB; of many more, pictures become smaller.
_BYTES_A_PICTURE, _FEW, _BYTES_OF_MORE = 23_000, 200, 6_000


def embed_pictures(files: Sequence[Path]) -> Thumbnails:
    """The pictures in one size, the largest with which the page does not grow too large.

    Returns:
        `add(str(file))` names each; what cannot be opened is missing.
    """
    more = max(len(files) - _FEW, 0)
    limit = _BYTES_A_PICTURE * (len(files) - more) + _BYTES_OF_MORE * more
    for side in _SIDES_PX:
        pictures = Thumbnails(Path(), side_px=side)
        for file in files:
            pictures.add(str(file))
        if sum(len(one.address) for one in pictures.all()) <= limit:
            break
    return pictures


@dataclass(frozen=True)
class Commands:
    """What to type with the files that the page saves, as it shows it."""

    train: str
    evaluate: str


def name_commands(
    scores: str, images: Path | None, *, are_labels: bool, some_missing: bool
) -> Commands:
    """The commands for scores and images as they were given; predictions are not trained on."""
    labels = scores if are_labels else "LABELS"
    moved = [] if images is None else ["--images", str(images)]
    present = ["--only", "present"] if some_missing else []
    train = ["cdul-edge", "train", labels, *moved, *present, "--observed", "observed.csv"]
    evaluate = ["cdul-edge", "evaluate", scores, "--sampled", "sheet.csv", *moved]
    return Commands(shlex.join([*train, "--out", "run"]), shlex.join(evaluate))


def render_page(questions: PageQuestions, classes: ClassList, commands: Commands) -> str:
    """The page as text; the same for the same input.

    Args:
        questions: what it asks.
        classes: all of the labels.
        commands: what to type afterward.
    """
    page = Page("review/review.html", TITLE, script="review/review.js", style="review/review.css")
    context = {
        "data": _describe(questions, classes),
        "sheet": len(questions.sheet),
        "commands": commands,
    }
    return render(page, context)


def _describe(questions: PageQuestions, classes: ClassList) -> dict[str, object]:
    names = list(dict.fromkeys(one.name for one in questions.questions))
    number = {name: at for at, name in enumerate(classes)}
    picture = {path: at for at, path in enumerate(questions.pictures)}
    return {
        "key": questions.key,
        "classes": list(classes),
        "form": choose_form(names, classes),
        "columns": [number[name] for name in columns_of(names, classes)],
        "pictures": [
            {
                "path": path,
                "sayable": is_sayable(path),
                "address": one.address,
                "width": one.width,
                "height": one.height,
            }
            for path, one in questions.pictures.items()
        ],
        "questions": [
            {
                "picture": picture[one.path],
                "name": number[one.name],
                "score": round(one.score, 4),
                "threshold": None if math.isinf(one.threshold) else round(one.threshold, 4),
                "predicted": one.score >= one.threshold,
                "answer": one.answer,
            }
            for one in questions.questions
        ],
        "useful": questions.useful,
        "sheet": {
            "columns": list(COLUMNS),
            "rows": [list(row_cells(one.question)) for one in questions.sheet],
            "questions": list(questions.of_row),
            "spellings": SPELLINGS,
        },
    }
