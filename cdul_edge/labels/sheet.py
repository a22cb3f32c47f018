"""The sheet of questions that people answer in a spreadsheet: a CSV that survives them.

One row asks whether one picture shows one class. What the estimate needs stands in the last column
as a text, `above 1; 5 of 120; score 0.8312; threshold 0.5; scores 855/3fa29c1d0b7e; row 9c2f01ab`,
because a spreadsheet rewrites numbers by the customs of its country. The last part is a digest of
the row: it tells where a cell was changed, or one column sorted without the others.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.csv_rows import Row, find_delimiter, read_rows
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.ownership import FileKind
from cdul_edge_runtime.host.reading import MAX_TEXT_BYTES, read_bytes, read_text
from cdul_edge_runtime.pictures.walk import SUFFIXES

Answer = Literal["yes", "no", "?"]

_PATH, _CLASS, _QUESTION, _ANSWER, _DRAWN = COLUMNS = (
    *("image_path", "class", "question", "answer"),
    "how it was drawn (keep this)",
)
SPELLINGS: dict[str, Answer] = {
    **dict.fromkeys("yes y 1 true x ja j wahr oui vrai si sí".split(), "yes"),
    **dict.fromkeys("no n 0 false nein falsch non faux".split(), "no"),
    **dict.fromkeys("? ?? unsure unknown".split(), "?"),
}
_NOTE = re.compile(
    r"(?P<side>above|below) (?P<number>\d+); (?P<drawn>\d+) of (?P<size>\d+); "
    r"score (?P<score>\S+); threshold (?P<threshold>\S+); "
    r"scores (?P<pictures>\d+)/(?P<digest>[0-9a-f]{12}); row (?P<check>[0-9a-f]{8})"
)
_BOOLEANS = ("true", "false", "wahr", "falsch", "vrai", "faux")
_NEVER = "never"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, which are archives; .xls


@dataclass(frozen=True)
class Question:
    """One row: whether a picture shows a class, and how that picture was drawn.

    Attributes:
        path: as the scores give it.
        above: whether the score reaches the threshold.
        stratum: number on that side, from 1, the lowest scores first.
        drawn, size: so many of the stratum's pictures were drawn, of so many.
        score, threshold: of the class.
        pictures: how many were scored in all.
        digest: of the class, all paths, their scores and the threshold.
        answer: None where there is none yet.
    """

    path: str
    name: str
    above: bool
    stratum: int
    drawn: int
    size: int
    score: float
    threshold: float
    pictures: int
    digest: str
    answer: Answer | None = None

    @property
    def note(self) -> str:
        """The last column, but for the digest of the row."""
        side = "above" if self.above else "below"
        return (
            f"{side} {self.stratum}; {self.drawn} of {self.size}; score {self.score!r}; "
            f"threshold {_NEVER if math.isinf(self.threshold) else repr(self.threshold)}; "
            f"scores {self.pictures}/{self.digest}"
        )


def write_sheet(file: Path, questions: Iterable[Question]) -> None:
    """Write a CSV in UTF-8 with a byte order mark, by which Excel knows it; atomically."""
    with (
        atomic_write(file) as temporary,
        # bytes of a path that are no UTF-8 become a text, as in predictions
        temporary.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as opened,
    ):
        rows = csv.writer(opened)
        rows.writerow(COLUMNS)
        rows.writerows(map(row_cells, questions))


def row_cells(one: Question) -> tuple[str, str, str, str, str]:
    """What stands in the `COLUMNS` of a question's row."""
    path, name = written(one.path), written(one.name)
    asked = f"Does this picture show: {name.replace('_', ' ')}?"
    note = f"{one.note}; row {_check(path, name, one.note)}"
    return guard(path), guard(name), asked, one.answer or "", note


def read_sheet(file: Path) -> tuple[Question, ...]:
    """Read a sheet, whatever a spreadsheet made of it.

    Commas, semicolons or tabs separate the columns; rows and columns may stand in any order, rows
    may be left out, columns added; the text is UTF-8, UTF-16 or Windows' own.

    Raises:
        CdulEdgeError: no such file, no sheet, a row twice, a row that was changed, or an answer
            that is none; each with its row.
    """
    text = _decode(file)
    rows = read_rows(file, text, delimiter=find_delimiter(text, _PATH), pad=True)
    where = _find_columns(file, rows)
    questions: dict[tuple[str, str], Question] = {}
    for row in rows[1:]:
        if not row.fields[where[_DRAWN]].strip() and not row.fields[where[_ANSWER]].strip():
            continue  # a note of somebody's below the table
        one = _parse(file, row, where)
        if (one.path, one.name) in questions:
            raise CdulEdgeError(
                f"{file}, row {row.line} asks about {one.path!r} and {one.name} a second time: "
                "delete one of the two rows"
            )
        questions[one.path, one.name] = one
    if not questions:
        raise CdulEdgeError(f"{file} holds no question: draw it again with `cdul-edge sample`")
    return tuple(questions.values())


def written(text: str) -> str:
    """The text that a sheet holds for a path or name: what is no UTF-8 is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def guard(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for more than a text.

    That is a formula (= + - @, which may run programs), and what reads as a number, a date or a
    truth value: 000139, 1-2, mar1, true. A cell that begins with an apostrophe gets another one.
    """
    risky = (
        cell.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")) or cell != cell.strip()
    )
    if not risky and "_" not in cell and Path(cell).suffix.lower() not in SUFFIXES:
        risky = any(c.isdigit() for c in cell) or cell.casefold() in _BOOLEANS
    return f"'{cell}" if risky else cell


def unguard(cell: str) -> str:
    """What `guard` was given."""
    return cell.removeprefix("'")


def holds_sheet(beginning: bytes) -> bool:
    """Whether a file begins as a sheet does, whatever program saved it last."""
    first = beginning[:4096].replace(b"\0", b"")  # of UTF-16
    return all(name.encode() in first for name in COLUMNS if name != _QUESTION)


SHEET = FileKind("sheet of questions", holds_sheet)


def _check(path: str, name: str, note: str) -> str:
    return hashlib.sha256("\0".join((path, name, note)).encode()).hexdigest()[:8]


def _decode(file: Path) -> str:
    content = read_bytes(file, limit_bytes=MAX_TEXT_BYTES)
    if content.startswith(_WORKBOOKS):
        raise CdulEdgeError(f"{file} is a workbook of a spreadsheet: save the sheet as CSV UTF-8")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text"
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            return read_text(file)  # says what is wrong
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        # Excel's plain "CSV"; each row's digest tells what it lost
        if holds_sheet(content) and not content.startswith(codecs.BOM_UTF8):
            return content.decode("cp1252", "replace")
    return read_text(file)


def _find_columns(file: Path, rows: Sequence[Row]) -> dict[str, int]:
    header = [name.strip().casefold() for name in rows[0].fields] if rows else []
    missing = [name for name in COLUMNS if name not in header and name != _QUESTION]
    if missing:
        raise CdulEdgeError(
            f"{file} has no column {missing[0]!r}: it is not a sheet of `cdul-edge sample`"
        )
    return {name: header.index(name) for name in COLUMNS if name in header}


def _parse(file: Path, row: Row, where: Mapping[str, int]) -> Question:
    cells = {name: row.fields[column] for name, column in where.items()}
    found = _NOTE.fullmatch(cells[_DRAWN].strip())
    # some programs keep the apostrophe to themselves
    for path in (unguard(cells[_PATH]), cells[_PATH]):
        for name in (unguard(cells[_CLASS]), cells[_CLASS]):
            one = None if found is None else _question(path, name, found)
            if one and found and found["check"] == _check(path, name, one.note):
                return replace(one, answer=_answer(file, row, cells[_ANSWER]))
    raise CdulEdgeError(
        f"{file}, row {row.line} ({cells[_PATH][:80]!r}, {cells[_CLASS][:40]}) was changed beside "
        "its answer, or a column was sorted without the others: sort whole rows, save as CSV "
        "UTF-8, and change nothing but answers"
    )


def _question(path: str, name: str, found: re.Match[str]) -> Question | None:
    never = found["threshold"] == _NEVER
    try:
        return Question(
            path=path,
            name=name,
            above=found["side"] == "above",
            stratum=int(found["number"]),
            drawn=int(found["drawn"]),
            size=int(found["size"]),
            score=float(found["score"]),
            threshold=math.inf if never else float(found["threshold"]),
            pictures=int(found["pictures"]),
            digest=found["digest"],
        )
    except ValueError:
        return None


def _answer(file: Path, row: Row, cell: str) -> Answer | None:
    text = unguard(cell.strip()).strip().casefold()
    if not text:
        return None
    if text not in SPELLINGS:
        raise CdulEdgeError(
            f"{file}, row {row.line} is answered {cell.strip()[:40]!r}: expected yes, no, ?, or "
            "nothing"
        )
    return SPELLINGS[text]
