"""Every message that docs/troubleshooting.md quotes is one that the code can say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "troubleshooting.md"
PACKAGES = ("cdul_edge", "export", "calibration", "runtime")
# A row that begins with code quotes a message; … stands for what differs from case to case.
QUOTED = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
SHORTEST = 10  # letters of the fixed parts: less would be found anywhere

MESSAGES = QUOTED.findall(DOCUMENT.read_text(encoding="utf-8"))


def fixed_parts(message: str) -> list[str]:
    return [part.strip() for part in message.split("…") if part.strip()]


@cache
def texts() -> tuple[str, ...]:
    """Every string of the sources but docstrings, as `read_text` gives it."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return tuple(text for node in nodes if id(node) not in docstrings for text in read_text(node))


def read_text(node: ast.AST) -> Iterator[str]:
    """A string, whole as the code writes it; a placeholder becomes an ellipsis."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )


def test_an_f_string_reads_as_its_fixed_parts() -> None:
    (text,) = read_text(ast.parse('f"{a} has " f"{b} px"', mode="eval").body)
    assert text == "… has … px"


def test_there_are_messages_of_every_kind_and_each_stands_once() -> None:
    assert len(MESSAGES) > 50
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_code_can_say_it(message: str) -> None:
    parts = fixed_parts(message)
    assert sum(map(len, parts)) >= SHORTEST, "quote more of it"
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    assert any(pattern.search(text) for text in texts()), f"no source says {message!r}"
