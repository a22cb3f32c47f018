"""Everything that pages are made of, on one page: how it opens, on a telephone, and on paper."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge.page import page as pages
from cdul_edge.page.charts import draw_heat_map, draw_lines, to_inline_svg
from cdul_edge.page.numbers import numbers_of
from cdul_edge.page.page import Page, render, write_page
from cdul_edge.page.thumbnails import Thumbnails
from tests.fakes.chromium import NARROW_PX, PAPER_PX, Number, OpenPage

NAMES = ("<script>alert(1)</script>", "two\nlines  and  spaces", "$x$", "x" * 90, "日本")
SHOWN = "one => getComputedStyle(one).display !== 'none' && one.getBoundingClientRect().height > 0"


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(pages._ROOMS, "tests", "tests.page")
    Image.new("RGB", (80, 40), "red").save(tmp_path / 'a "quote".png')
    Image.new("RGB", (40, 80), "blue").save(tmp_path / "b.png")
    thumbnails = Thumbnails(tmp_path)
    paths = ['a "quote".png', "b.png", 'a "quote".png', "<gone>.png"]
    lines = draw_lines({name: ([1, 2], [1, 2]) for name in NAMES}, "epoch", "mAP, %")
    square = draw_heat_map(np.ones((40, 40)), [str(one) for one in range(40)], ["c"] * 40)
    context = {
        "names": NAMES,
        "columns": 12,
        "number": numbers_of({"pictures": 5000, "map": 0.8312}, "/sections/labels"),
        "charts": [
            to_inline_svg(lines, key=f"chart-{one}", title="Lines", description="Two lines")
            for one in range(2)
        ],
        "wide": to_inline_svg(square, key="wide", title="A map", description="Full cells"),
        "pictures_shown": [(thumbnails.add(path), path) for path in paths],
    }
    what = Page("tests/gallery.html", "A <b>page</b>", pictures=thumbnails)
    html = render(what, context)
    assert html == render(what, context)
    write_page(tmp_path / "page.html", html)
    return tmp_path / "page.html"


def test_every_part_is_right_in_every_window(
    gallery: Path, open_page: Callable[..., OpenPage]
) -> None:
    opened = open_page(gallery)
    page = opened.page
    assert page.inner_text("h1") == "A <b>page</b>"
    assert [Number("/pictures", "5000", "5,000")] == [
        Number(one.at.removeprefix("/sections/labels"), one.value, one.shown)
        for one in opened.numbers()[:1]
    ]
    assert page.locator("tbody th").all_inner_texts() == list(NAMES)

    # Two paths of one picture: embedded once, shown twice, each under its path.
    assert page.locator("symbol").count() == 2
    pictures = page.locator(".picture")
    assert pictures.locator("title").all_text_contents() == ['a "quote".png', "b.png"] + [
        'a "quote".png'
    ]
    assert page.get_by_role("img", name="<gone>.png: no picture").inner_text() == "no picture"
    colors = [_middle(pictures.nth(place).locator("svg").screenshot()) for place in range(3)]
    assert [one.index(max(one)) for one in colors] == [0, 2, 0]  # red, blue, red

    for color in ("light", "dark"):
        for width in (1100, NARROW_PX):
            opened.show(width=width, colors=color)
            assert opened.overflow_px() == 0
            assert opened.violations() == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert (opened.requests, opened.errors) == ([], [])


def test_the_keyboard_skips_to_the_content_and_scrolls_what_is_wide(
    gallery: Path, open_page: Callable[..., OpenPage]
) -> None:
    page = open_page(gallery).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    table = page.locator(".scroll").first
    table.focus()
    outline = "getComputedStyle(document.activeElement).outlineWidth"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(outline) == "3px"


def test_on_paper_it_is_light_nothing_is_cut_off_and_details_are_open(
    gallery: Path, open_page: Callable[..., OpenPage]
) -> None:
    opened = open_page(gallery)
    assert not opened.page.locator("#hidden").evaluate(SHOWN)
    opened.show(width=PAPER_PX, colors="dark", media="print")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert opened.page.locator("#hidden").evaluate(SHOWN)
    assert not opened.page.locator(".skip").evaluate(SHOWN)
    assert opened.overflow_px() == 0
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert opened.page.locator(".scroll").evaluate_all(wide) == 0


def _middle(png: bytes) -> tuple[int, ...]:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    middle = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(middle, tuple)
    return middle
