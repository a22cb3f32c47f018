"""JSON that is too long to be held: lists, an entry a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TextIO


def to_json(value: object) -> str:
    """One line of JSON, with letters as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write_list(file: TextIO, entries: Iterable[str]) -> None:
    """Write a JSON list of entries that are JSON already, each on a line of its own."""
    before = "[\n"
    for entry in entries:
        file.write(before + entry)
        before = ",\n"
    file.write("[]" if before == "[\n" else "\n]")
