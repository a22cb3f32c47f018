"""The page of a study: the tables of its Markdown, its charts, and every window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdul_edge.study.outcome import Failed, Outcome
from cdul_edge.study.report.report import make_report
from cdul_edge.study.report.summary import summarize
from cdul_edge.study.report.tables import study_tables
from tests.fakes.chromium import NARROW_PX, PAPER_PX, OpenPage

Outcomes = list[Outcome]
CELLS = "table => [...table.rows].map(row => [...row.cells].map(cell => cell.innerText))"


def test_the_page_shows_the_tables_charts_claims_and_settings(
    outcomes: Outcomes, cell: Callable[..., Any], open_page: Callable[..., OpenPage], tmp_path: Path
) -> None:
    outcomes.append(Failed(cell("default", "<b>", 0, 1.0).cell, "it needs <cosines>"))
    report = make_report({"epochs": 1, "classes": ["cat", "日本"]}, outcomes)
    report.write(tmp_path)
    opened = open_page(tmp_path / "report.html")
    page = opened.page
    tables = study_tables(summarize(outcomes))
    captions = page.locator("caption").all_inner_texts()
    assert captions[: len(tables)] == [table.title for table in tables]
    assert "Published claims" in captions
    for place, table in enumerate(tables):
        shown = page.locator("table").nth(place).evaluate(CELLS)
        assert shown == [list(table.headings), *map(list, table.rows)]
    assert page.get_by_role("cell", name="72.5 ± 2.1", exact=True).count() > 0
    assert page.locator("strong").all_inner_texts() == ["73.5", "71.5"]
    assert page.get_by_role("img").count() == 3
    assert page.locator("svg title").first.text_content() == "Training methods: held-out mAP"
    described = page.locator("svg desc").first.text_content()
    assert described == "cdul 72.5 ± 2.1; fixed 71.0 ± 1.4"
    assert page.locator("#failed ~ ul li").all_inner_texts() == [
        "default, <b>, none: it needs <cosines>"
    ]
    assert page.locator("dd").all_inner_texts() == ["1", '["cat", "日本"]']
    assert opened.violations() == []
    opened.show(width=NARROW_PX, colors="dark")
    assert opened.overflow_px() == 0
    assert opened.violations() == []
    opened.show(width=PAPER_PX, media="print")
    assert opened.overflow_px() == 0
    assert (opened.requests, opened.errors) == ([], [])


@pytest.mark.parametrize("finished", [True, False])
def test_the_page_is_the_same_when_written_again(
    outcomes: Outcomes, finished: bool, tmp_path: Path
) -> None:
    if not finished:
        outcomes = [Failed(outcome.cell, "no") for outcome in outcomes]
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        make_report({}, outcomes).write(tmp_path / name)
    pages = [(tmp_path / name / "report.html").read_bytes() for name in ("first", "again")]
    assert pages[0] == pages[1]
    assert (b"<svg" in pages[0]) is finished
