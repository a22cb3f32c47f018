"""The sheet comes back from any spreadsheet as it was, with the answers; else its row is named."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cdul_edge.labels.sheet import (
    COLUMNS,
    Answer,
    Question,
    guard,
    read_sheet,
    unguard,
    write_sheet,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.damage import damage_bytes

ONE = Question(
    path="a/1.jpg",
    name="cat",
    above=True,
    stratum=2,
    drawn=3,
    size=40,
    score=0.83,
    threshold=0.5,
    pictures=855,
    digest="0123456789ab",
)
TWO = replace(ONE, path="a/2.jpg", above=False, score=1e-10, threshold=math.inf)
# A formula, an id that reads as a number, a date, a truth value, an apostrophe, spaces, accents.
PATHS = (
    *("=HYPERLINK(1).jpg", "+1.jpg", "-1.jpg", "@SUM(1).jpg", "000139", "1-2", "mar1", "TRUE"),
    *("'quoted'.jpg", " lead.jpg", 'comma, "quote";.jpg', "café/猫.jpg", "plain_1", "＝1.jpg"),
)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    file = tmp_path / "sheet.csv"
    write_sheet(file, [ONE, TWO])
    return file


def cells(sheet: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))


def save(
    sheet: Path, rows: list[list[str]], *, delimiter: str = ",", encoding: str = "utf-8"
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    sheet.write_bytes(text.getvalue().encode(encoding))


def answer(sheet: Path, *words: str) -> list[list[str]]:
    rows = cells(sheet)
    for row, word in zip(rows[1:], words, strict=False):
        row[3] = word
    return rows


def test_what_was_written_is_read_and_begins_as_excel_wants_it(sheet: Path) -> None:
    assert read_sheet(sheet) == (ONE, TWO)
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbfimage_path,class,question,answer,")
    assert cells(sheet)[1][2] == "Does this picture show: cat?"


def test_no_cell_is_a_formula_a_number_or_a_date_and_every_path_comes_back(tmp_path: Path) -> None:
    questions = [replace(ONE, path=path, name=name) for path in PATHS for name in ("=1+1", "3")]
    write_sheet(tmp_path / "sheet.csv", questions)
    assert read_sheet(tmp_path / "sheet.csv") == tuple(questions)
    for row in cells(tmp_path / "sheet.csv")[1:]:
        assert not any(cell.startswith(("=", "+", "-", "@", "＝")) for cell in row)
        assert not any(cell.replace(".", "").replace(",", "").isdigit() for cell in row)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1.jpg", "'=1.jpg"),
        ("000139", "'000139"),
        ("1/2", "'1/2"),
        ("mar1", "'mar1"),
        ("true", "'true"),
        ("'a.jpg", "''a.jpg"),
        ("000139.jpg", "000139.jpg"),
        ("2008_000008", "2008_000008"),
        ("traffic light", "traffic light"),
    ],
)
def test_an_apostrophe_stands_only_before_what_a_spreadsheet_would_change(
    cell: str, shown: str
) -> None:
    assert guard(cell) == shown
    assert unguard(shown) == cell


def test_a_program_that_keeps_the_apostrophe_to_itself_loses_nothing(tmp_path: Path) -> None:
    """Google's spreadsheet takes a first apostrophe for "this is text", and does not export it."""
    file = tmp_path / "sheet.csv"
    questions = tuple(replace(ONE, path=path) for path in PATHS)
    write_sheet(file, questions)
    save(file, [[cell.removeprefix("'") for cell in row] for row in cells(file)])
    assert read_sheet(file) == questions


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (";", "cp1252"), (",", "cp1252")],
)
def test_every_way_in_which_spreadsheets_save_is_read(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    file = tmp_path / "sheet.csv"
    questions = (replace(ONE, path="café, links.jpg"), TWO)
    write_sheet(file, questions)
    save(file, answer(file, "yes"), delimiter=delimiter, encoding=encoding)
    assert read_sheet(file) == (replace(questions[0], answer="yes"), TWO)


def test_rows_and_columns_in_another_order_more_columns_and_short_rows_are_read(
    sheet: Path,
) -> None:
    header, first, second = answer(sheet, "yes", "no")
    rows = [
        [*row[::-1], *more] for row, more in ((header, ["notes"]), (second, []), (first, ["?"]))
    ]
    save(sheet, [*rows, ["", "", "", "", "", "asked Ann"]])
    assert read_sheet(sheet) == (replace(TWO, answer="no"), replace(ONE, answer="yes"))


def test_a_picture_may_be_called_what_is_no_utf8(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.csv", [replace(ONE, path="caf\udce9.jpg")])
    (found,) = read_sheet(tmp_path / "sheet.csv")
    assert found.path == "caf\\udce9.jpg"


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("yes YES Yes y Y 1 true WAHR ja oui sí", "yes"),
        ("no NO n 0 FALSE nein", "no"),
        ("? unsure", "?"),
    ],
)
def test_answers_are_read_however_they_are_spelled(
    sheet: Path, words: str, meaning: Answer
) -> None:
    for word in words.split():
        save(sheet, answer(sheet, f" {word} ", ""))
        assert [one.answer for one in read_sheet(sheet)] == [meaning, None]


def fault(sheet: Path) -> str:
    with pytest.raises(CdulEdgeError) as caught:
        read_sheet(sheet)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_answer_that_is_none_is_named_with_its_row(sheet: Path) -> None:
    save(sheet, answer(sheet, "yes", "maybe"))
    assert "row 3 is answered 'maybe': expected yes, no, ?, or nothing" in fault(sheet)


@pytest.mark.parametrize("column", [0, 1, 4])
def test_a_cell_that_was_changed_is_named_with_its_row(sheet: Path, column: int) -> None:
    rows = answer(sheet, "yes", "no")
    rows[2][column] = rows[2][column].replace("a", "b")
    save(sheet, rows)
    assert "row 3 (" in fault(sheet)
    assert "was changed beside its answer" in fault(sheet)


def test_a_column_that_was_sorted_without_the_others_is_seen(sheet: Path) -> None:
    rows = answer(sheet, "yes", "no")
    rows[1][0], rows[2][0] = rows[2][0], rows[1][0]
    save(sheet, rows)
    assert "row 2 ('a/2.jpg', cat) was changed" in fault(sheet)


def test_a_row_twice_is_refused(sheet: Path) -> None:
    rows = answer(sheet, "yes", "no")
    save(sheet, [*rows, rows[1]])
    assert "row 4 asks about 'a/1.jpg' and cat a second time" in fault(sheet)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "has no column 'image_path': it is not a sheet of `cdul-edge sample`"),
        (b"image_path,label\na.jpg,cat\n", "has no column 'class'"),
        (",".join(COLUMNS).encode(), "holds no question"),
        (b"PK\x03\x04\x00 .xlsx", "is a workbook of a spreadsheet: save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1 .xls", "is a workbook of a spreadsheet"),
        (b"\xff\xfe\x00", "UTF-16"),
    ],
)
def test_what_is_no_sheet_is_one_line(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "sheet.csv").write_bytes(content)
    assert what in fault(tmp_path / "sheet.csv")
    assert "cannot be read" in fault(tmp_path / "none.csv")


def test_bytes_that_are_no_text_are_named_and_taken_for_no_other_alphabet(sheet: Path) -> None:
    sheet.write_bytes(sheet.read_bytes() + b"\xff")
    assert "is not UTF-8 (byte " in fault(sheet)


def test_a_sheet_that_was_damaged_is_read_or_one_of_our_errors(tmp_path: Path) -> None:
    file, refused = tmp_path / "sheet.csv", 0
    write_sheet(file, [replace(ONE, path=path) for path in PATHS])
    sound = file.read_bytes()
    for seed in range(100):
        file.write_bytes(damage_bytes(sound, np.random.default_rng(seed)))
        try:
            read_sheet(file)
        except CdulEdgeError as error:
            refused += len(str(error).splitlines()) == 1
    assert refused > 50
