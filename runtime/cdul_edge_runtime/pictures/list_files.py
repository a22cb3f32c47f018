"""Lists of pictures: one path per line, or a CSV with a column `image_path`."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.csv_rows import find_delimiter, read_rows, refuse_line_breaks
from cdul_edge_runtime.host.reading import read_text

COLUMN = "image_path"


def read_list(source: Path) -> list[str]:
    """Paths as a list gives them, `./a.jpg` and `sub/../a.jpg` in their shortest form.

    Raises:
        CdulEdgeError: not UTF-8 text, a CSV that is damaged or has no column `image_path`, a path
            with a line break in it, or one picture named twice, however it is spelled.
    """
    text = read_text(source)
    if source.suffix.lower() == ".csv":
        named = _csv_paths(source, text)
    else:
        # only a newline ends a name: splitlines() would also split at U+2028 and its like
        lines = enumerate(text.replace("\r\n", "\n").split("\n"), start=1)
        named = [(number, line.strip()) for number, line in lines if line.strip()]
    return _unique(source, named)


def _csv_paths(source: Path, text: str) -> list[tuple[int, str]]:
    rows = read_rows(source, text, delimiter=find_delimiter(text, COLUMN))
    if not rows:
        return []
    header = [name.strip() for name in rows[0].fields]
    if header.count(COLUMN) != 1:
        raise CdulEdgeError(
            f"{source} has no single column {COLUMN}: it has {', '.join(header)[:200]}"
        )
    column = header.index(COLUMN)
    named = []
    for line, fields in rows[1:]:
        path = fields[column].strip()
        if not path:
            raise CdulEdgeError(f"{source}, row {line} has an empty {COLUMN}: name a picture")
        if any("\n" in value or "\r" in value for value in fields):
            refuse_line_breaks(source, line, [fields[column], *_swallowed_rows(fields, column)])
        named.append((line, path))
    return named


def _swallowed_rows(fields: Sequence[str], column: int) -> Iterator[str]:
    """A caption may run over several lines, unless one of them looks like a row of its own."""
    for value in fields:
        for inner in value.split("\n")[1:]:
            parts = inner.split(",")
            if len(parts) > column and _looks_like_picture(parts[column]):
                yield value


def _looks_like_picture(path: str) -> bool:
    stem, dot, ending = path.strip(' "\r').rpartition(".")
    return bool(stem and dot) and ending.isalnum() and len(ending) <= 5 and " " not in path.strip()


def _unique(source: Path, named: Iterable[tuple[int, str]]) -> list[str]:
    paths: list[str] = []
    root = str(source.resolve().parent)
    here = f"{root}/"
    seen: dict[str, tuple[int, str]] = {}
    for line, given in named:
        path = _on_disk(root, _shortest(root, given))
        where = path.removeprefix(here)
        if where in seen:
            first, other = seen[where]
            also = "" if other == given else f", there as {other!r}"
            raise CdulEdgeError(
                f"{source} names {given!r} twice, in lines {first} and {line}{also}: "
                "name each picture once"
            )
        seen[where] = (line, given)
        paths.append(path)
    return paths


def _shortest(root: str, path: str) -> str:
    """Without `.`, `//` and `..`, except where a symbolic link makes `..` lead elsewhere."""
    if "://" in path:  # an address, which no file has
        return path
    if "//" not in path and "./" not in path and not path.endswith(("/.", "/..")):
        return path
    short = posixpath.normpath(path)
    if ".." not in path.split("/"):
        return short
    same = os.path.realpath(os.path.join(root, short)) == os.path.realpath(os.path.join(root, path))
    return short if same else path


def _on_disk(root: str, path: str) -> str:
    """The spelling (composed or decomposed accents) under which the file is there."""
    if path.isascii() or os.path.lexists(os.path.join(root, path)):
        return path
    others = (other for other in _spellings(path) if os.path.lexists(os.path.join(root, other)))
    return next(others, path)


def _spellings(path: str) -> Iterator[str]:
    yield unicodedata.normalize("NFC", path)
    yield unicodedata.normalize("NFD", path)
