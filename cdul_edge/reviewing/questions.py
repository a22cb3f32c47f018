"""The questions of one page: those that help the labels, and those of a drawn sheet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdul_edge.labels.sheet import Answer
from cdul_edge.page.thumbnails import Thumbnail
from cdul_edge.reviewing.choose import Entry
from cdul_edge.reviewing.sheet_questions import SheetQuestion


@dataclass(frozen=True)
class PageQuestion:
    """Whether a picture shows a class; asked once, though it may be of both parts.

    Attributes:
        path: of the picture, as the labels name it.
        name: of the class.
        score, threshold: of the entry; an infinite threshold is that of a class never predicted.
        answer: that the sheet holds already.
    """

    path: str
    name: str
    score: float
    threshold: float
    answer: Answer | None = None


@dataclass(frozen=True)
class PageQuestions:
    """All questions of a page.

    Attributes:
        questions: first the useful ones in their order, then those of the sheet alone.
        useful: how many of them are useful ones.
        sheet: the sheet's rows; empty without one.
        of_row: for each row of the sheet, the number of its question; None where the picture is
            not there.
        pictures: by path, in the order of first asking.
    """

    questions: tuple[PageQuestion, ...]
    useful: int
    sheet: tuple[SheetQuestion, ...]
    of_row: tuple[int | None, ...]
    pictures: Mapping[str, Thumbnail]

    @property
    def key(self) -> str:
        """A digest of what is asked: answers are kept under it, whatever the page is called.

        The pictures themselves are in it: in another set, "1.jpg" is another picture.
        """
        asked = [[one.path, one.name] for one in self.questions]
        rows = [one.question.note for one in self.sheet]
        shown = [[path, one.address] for path, one in self.pictures.items()]
        text = json.dumps([asked, self.useful, rows, self.of_row, shown])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def join_questions(
    entries: Sequence[Entry],
    sheet: Sequence[SheetQuestion],
    pictures: Mapping[str, Thumbnail],
) -> PageQuestions:
    """Put both parts together; questions without a picture are left out."""
    found: dict[tuple[str, str], PageQuestion] = {}
    for one in entries:
        if one.path in pictures:
            found[one.path, one.name] = PageQuestion(one.path, one.name, one.score, one.threshold)
    useful = len(found)
    for row in sheet:
        asked = row.question
        if row.path in pictures:
            found[row.path, row.name] = PageQuestion(
                row.path, row.name, asked.score, asked.threshold, asked.answer
            )
    number = {key: at for at, key in enumerate(found)}
    shown = dict.fromkeys(path for path, _ in found)
    return PageQuestions(
        questions=tuple(found.values()),
        useful=useful,
        sheet=tuple(sheet),
        of_row=tuple(number.get((row.path, row.name)) for row in sheet),
        pictures={path: pictures[path] for path in shown},
    )
