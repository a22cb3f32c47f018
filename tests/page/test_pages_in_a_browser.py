"""What pages do in a real browser; the first test shows that these checks can fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cdul_edge.page.page import Page, render, write_page
from tests.fakes.chromium import NARROW_PX, Number, OpenPage

FAULTY = """<!doctype html><title>Faulty</title><img src="https://example.com/picture.png">
<p style="color: #aaa; background: #bbb; width: 900px">Gray on gray: <data value="0.5"
data-at="/a/b">50</data></p><script>console.error("told"); throw new Error("thrown")</script>"""


def test_what_is_wrong_with_a_page_is_seen(
    open_page: Callable[..., OpenPage], tmp_path: Path
) -> None:
    file = tmp_path / "faulty page.html"
    file.write_text(FAULTY, encoding="utf-8")
    opened = open_page(file)
    assert opened.requests == ["https://example.com/picture.png"]
    assert [one for one in ("told", "thrown", "net::ERR") if one in "\n".join(opened.errors)] == [
        "told",
        "thrown",
        "net::ERR",
    ]
    rules = {one.partition(":")[0] for one in opened.violations()}
    assert {"color-contrast", "image-alt", "html-has-lang"} <= rules
    assert opened.overflow_px() == 0
    opened.show(width=NARROW_PX)
    assert opened.overflow_px() > 400
    assert opened.numbers() == [Number("/a/b", "0.5", "50")]


@pytest.mark.parametrize("scripts", [True, False])
def test_the_ground_of_every_page_is_in_order(
    open_page: Callable[..., OpenPage], tmp_path: Path, scripts: bool
) -> None:
    write_page(tmp_path / "page.html", render(Page("page/base.html", "A page"), {}))
    opened = open_page(tmp_path / "page.html", scripts=scripts)
    assert (opened.requests, opened.errors) == ([], [])
    assert opened.page.inner_text("h1") == "A page"
    opened.show(width=NARROW_PX, colors="dark")
    assert opened.overflow_px() == 0
    if scripts:
        assert opened.violations() == []
