"""A page's policy, what names and paths become in it, and its colors."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from cdul_edge.page import page as pages
from cdul_edge.page.numbers import numbers_of
from cdul_edge.page.page import Page, embed_json, render, write_page
from cdul_edge.page.svg import SERIES

STYLE = (
    files("cdul_edge.page").joinpath("templates").joinpath("style.css").read_text(encoding="utf-8")
)
HOSTILE = "</script><!--<b>&amp;\u2028\u2029\"'日本"


def test_json_inside_a_page_ends_nothing_and_is_what_it_was() -> None:
    text = embed_json({HOSTILE: [HOSTILE, 0.1, None]})
    assert not [sign for sign in "<>&\u2028\u2029" if sign in text]
    assert json.loads(text) == {HOSTILE: [HOSTILE, 0.1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        embed_json(float("nan"))


def test_a_title_is_shown_as_it_is_and_bytes_that_are_no_text_are_spelled_out(
    tmp_path: Path,
) -> None:
    html = render(Page("page/base.html", "<script>alert(1)</script> \udc80.jpg"), {})
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt; \\udc80.jpg") == 2
    write_page(tmp_path / "page.html", html)
    assert (tmp_path / "page.html").read_bytes() == html.encode()


def test_the_policy_lets_nothing_run_and_nothing_load_but_the_pages_own() -> None:
    html = render(Page("page/base.html", "A page"), {})
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].replace("&#39;", "'").split(";"))
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digest}'",
        "script-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_a_template_that_does_not_get_what_it_shows_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(pages._ROOMS, "tests", "tests.page")
    with pytest.raises(UndefinedError, match="number"):
        render(Page("tests/gallery.html", "A page"), {})


def test_a_number_says_where_it_stands_in_the_json() -> None:
    record = {"rows": [{"a/b~c": 0.8312, "none": None, "many": 1234567, "name": "cat"}]}
    number = numbers_of(record, "/sections/labels")
    assert number("rows", 0, "a/b~c", digits=1, scale=100) == (
        '<data value="0.8312" data-at="/sections/labels/rows/0/a~1b~0c">83.1</data>'
    )
    assert number("rows", 0, "many").endswith(">1,234,567</data>")
    assert number("rows", 0, "none").endswith(
        'value="" data-at="/sections/labels/rows/0/none">–</data>'
    )
    with pytest.raises(TypeError, match="which is no number"):
        number("rows", 0, "name")


def _palette(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6});", block))


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio"."""

    def luminance(color: str) -> float:
        digits = color[1:] if len(color) == 7 else "".join(sign * 2 for sign in color[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_words_and_lines_stand_out_from_the_paper(place: int) -> None:
    assert _contrast("#fff", "#000000") == pytest.approx(21)
    colors = _palette(STYLE.split(":root {")[1 + place].split("}")[0])
    for paper in (colors["paper"], colors["raised"]):
        for words in ("ink", "faint", "accent", "good", "warn", "bad"):
            assert _contrast(colors[words], paper) >= 4.5, words
    lines = [f"series-{one}" for one in range(1, 9)]
    assert [name for name in lines if _contrast(colors[name], colors["paper"]) < 4.5] == []
    if place == 0:
        assert [colors[name] for name in lines] == list(SERIES)
