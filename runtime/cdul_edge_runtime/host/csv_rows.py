"""Rows of CSV files that people made, with the line on which each begins."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cdul_edge_runtime.errors import CdulEdgeError


class Row(NamedTuple):
    """Fields of a CSV row, and the line of the file in which it begins, from 1."""

    line: int
    fields: list[str]


def find_delimiter(text: str, column: str) -> str:
    """What separates the columns of a CSV: a comma, or what a spreadsheet puts in its place.

    Args:
        text: the whole file.
        column: one of its columns, in lower case, which tells a header that is split as it should.

    Returns:
        A comma, a semicolon, or a tab; a comma where none of them gives that column.
    """
    for delimiter in ",;\t":
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            continue
        if len(header) > 1 and column in (name.strip().casefold() for name in header):
            return delimiter
    return ","


def read_rows(source: Path, text: str, *, delimiter: str = ",", pad: bool = False) -> list[Row]:
    """The rows of a CSV that are not blank, strictly read.

    Args:
        source: of the text, for messages.
        text: the whole file.
        delimiter: what stands between two fields.
        pad: give a row that is shorter than the header empty fields: spreadsheets may leave them
            out where the last ones of a row are empty.

    Raises:
        CdulEdgeError: a quote without its partner, or a row of another length than the header;
            each with its line.
    """
    return list(iterate_rows(source, io.StringIO(text, newline=""), delimiter=delimiter, pad=pad))


def iterate_rows(
    source: Path, lines: Iterable[str], *, delimiter: str = ",", pad: bool = False
) -> Iterator[Row]:
    """As `read_rows`, row by row; lines keep their ends."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begin, width = 1, 0
    try:
        for fields in reader:
            line, begin = begin, reader.line_num + 1
            if not any(fields):
                continue
            width = width or len(fields)
            padded = fields + [""] * (width - len(fields) if pad else 0)
            if len(padded) != width:
                count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
                raise CdulEdgeError(
                    f"{source}, row {line} has {count}, expected {width}: "
                    "quote fields that hold commas"
                )
            yield Row(line, padded)
    except csv.Error as error:
        raise CdulEdgeError(
            f"{source}, row {begin} is not valid CSV ({error}): look for a stray quote there"
        ) from error


def refuse_repeated_columns(source: Path, header: Sequence[str]) -> None:
    """Of two columns with one name, only one could be read."""
    for name in header:
        if header.count(name) > 1:
            raise CdulEdgeError(f"{source} has two columns {name!r}: take one of them out")


def refuse_line_breaks(source: Path, line: int, fields: Iterable[str]) -> None:
    """A quoted field that runs over several lines: a stray quote swallowed the rows below."""
    for value in fields:
        if "\n" in value or "\r" in value:
            raise CdulEdgeError(
                f"{source}, row {line} holds a line break in {value[:40]!r}: "
                "look for a stray quote there"
            )
