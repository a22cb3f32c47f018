"""Which files are tested first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.longest_first import LONGEST, sort_longest_first

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Item:
    path: Path
    name: str


def test_the_longest_files_are_first_and_then_those_of_many_tests() -> None:
    few, many = HERE / "few.py", HERE / "many.py"
    second, first = HERE / LONGEST[1], HERE / LONGEST[0]
    items = [
        *(Item(few, "a"), Item(many, "b"), Item(second, "c"), Item(many, "d"), Item(first, "e"))
    ]
    sort_longest_first(items)
    assert [item.name for item in items] == ["e", "c", "b", "d", "a"]


def test_every_file_named_is_there() -> None:
    assert [name for name in LONGEST if not (HERE / name).is_file()] == []
