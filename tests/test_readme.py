"""The documents show commands; every one of them must exist with the options it is shown with."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from benchmarks.tables.pages import PAGES, Page
from cdul_edge.cli import app
from cdul_edge.training.config import METHODS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"),
    *sorted((ROOT / "docs").glob("*.md")),
]
# Fenced, or indented by four spaces.
CODE_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```|((?:^    .*\n)+)", re.MULTILINE | re.DOTALL)
RESULT_FILE = re.compile(r"benchmarks/results/[\w.-]+\.json")


def shown_commands(text: str) -> list[list[str]]:
    """The words of each `$ cdul-edge …` line of the code blocks; a backslash continues a line."""
    blocks = "\n".join("".join(found) for found in CODE_BLOCK.findall(text))
    blocks = blocks.replace("\\\n", " ")
    lines = (line.strip().removeprefix("$ ") for line in blocks.splitlines())
    return [
        shlex.split(line.partition(" | ")[0].partition(" > ")[0], comments=True)[1:]
        for line in lines
        if line.startswith("cdul-edge ")
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_exists_with_its_options(document: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for words in shown_commands(document.read_text(encoding="utf-8")):
        if words[0].startswith("-"):
            continue
        assert words[0] in commands, words
        known = {option for parameter in commands[words[0]].params for option in parameter.opts}
        known |= {o for parameter in commands[words[0]].params for o in parameter.secondary_opts}
        shown = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert shown - {"--help"} <= known, words


def test_the_readme_shows_the_two_commands_and_the_whole_flow() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
    shown = {words[0] for words in shown_commands(text)}
    assert {"label", "train", "export", "verify", "predict", "evaluate"} <= shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_result_file_named_stands_there_with_machine_and_command(document: Path) -> None:
    for name in set(RESULT_FILE.findall(document.read_text(encoding="utf-8"))):
        content = json.loads((ROOT / name).read_text(encoding="utf-8"))
        assert {"command", "machine", "versions", "figures"} <= set(content), name


@pytest.mark.parametrize(("pattern", "most"), [("README.md", 900), ("docs/*.md", 25_800)])
def test_a_reader_with_two_minutes_is_not_given_a_book(pattern: str, most: int) -> None:
    assert sum(len(page.read_text(encoding="utf-8").split()) for page in ROOT.glob(pattern)) <= most


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.file.name} {page.mark}")
def test_the_figures_shown_are_those_of_the_result_files(page: Page) -> None:
    text = page.file.read_text(encoding="utf-8")
    assert [mark in text for mark in page.marks] == [page.mark is not None] * 2
    assert text == page.fill(), "run `python -m benchmarks.tables`"


@pytest.mark.parametrize("document", ["README.md", "docs/methods.md"])
def test_as_many_ways_to_learn_are_promised_as_there_are(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert re.findall(r"one of (\d+) ways", text) == [str(len(METHODS))]


def test_every_page_of_the_documentation_is_in_its_navigation() -> None:
    docs = ROOT / "docs"
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert listed == {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
