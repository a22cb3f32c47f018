"""What charts draw, checked by hand, and what becomes of their SVG inside a page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cdul_edge.page.charts import (
    ACCENT,
    SERIES,
    SOFT,
    Interval,
    draw_curve,
    draw_heat_map,
    draw_histogram,
    draw_intervals,
    draw_lines,
    to_inline_svg,
    to_label,
    to_svg,
)

HOSTILE = (
    "$x$",
    "\\",
    "a_b",
    "_lead",
    "%",
    "<b>&",
    '"',
    "می\u200cخواهم",  # a joiner, which Persian needs
    "no\u00a0break\u3000space",
    "日本",
    "two\nlines",
    "\x00\x1b",
    "\udc80",
    "\u202eturned",
)


def inline(figure: Figure, key: str = "k") -> str:
    return to_inline_svg(figure, key=key, title="A title", description="What it shows")


def words(svg: str) -> list[str | None]:
    return [text.text for text in ElementTree.fromstring(svg).iter("text")]


def lines(axes: Axes) -> list[list[list[float]]]:
    return [np.asarray(line.get_xydata()).tolist() for line in axes.get_lines()]


def test_bars_are_as_high_as_counts_and_those_above_the_threshold_stronger() -> None:
    (axes,) = draw_histogram([5, 3, 2], [0.0, 0.25, 0.5, 1.0], 0.5).axes
    bars = [bar.get_window_extent().transformed(axes.transData.inverted()) for bar in axes.patches]
    assert [(bar.x0, bar.x1, bar.y1) for bar in bars] == [
        pytest.approx(one) for one in ((0, 0.25, 5), (0.25, 0.5, 3), (0.5, 1, 2))
    ]
    colors = [mpl.colors.to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colors == [SOFT, SOFT, ACCENT]
    assert lines(axes) == [[[0.5, 0], [0.5, 1]]]
    assert [text.get_text() for text in axes.texts] == ["threshold 0.5"]


def test_a_threshold_beyond_the_scores_is_still_on_the_chart() -> None:
    (axes,) = draw_histogram([5, 3], [0.0, 0.5, 1.0], 1.4).axes
    assert axes.get_xlim() == (0.0, 1.4)


def test_few_beside_many_are_seen_where_the_axis_rises_tenfold() -> None:
    figure = draw_histogram([2_000_000, 3], [0.0, 0.5, 1.0], 0.5, scale="log")
    (axes,) = figure.axes
    low, few, many = axes.transData.transform([(0, 0), (0, 3), (0, 2_000_000)])[:, 1]
    assert (few - low) / (many - low) > 0.08
    shown = [one for one in words(inline(figure)) if one and one[-1] in "kM"]
    assert shown
    assert not [one for one in words(inline(figure)) if "$" in str(one)]


def test_lines_have_gaps_and_a_lone_point_is_a_dot() -> None:
    figure = draw_lines({"a": ([1, 2, 3], [0.5, None, 0.25]), "b": ([1, 2], [1, 2])}, "epoch", "y")
    first, second = figure.axes[0].get_lines()
    assert np.isnan(np.asarray(first.get_ydata())).tolist() == [False, True, False]
    assert (first.get_marker(), second.get_marker()) == ("o", "")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_lines_beyond_those_that_can_be_told_apart_are_not_named() -> None:
    figure = draw_lines({f"n{one}": ([0, 1], [0, one]) for one in range(30)}, "x", "y")
    drawn = figure.axes[0].get_lines()
    assert len(drawn) == 30
    looks = {(str(line.get_color()), str(line.get_linestyle())) for line in drawn[:24]}
    assert len(looks) == 24
    assert len(figure.legends[0].get_texts()) == 24


def test_a_curve_is_drawn_between_0_and_1_with_its_mark() -> None:
    (axes,) = draw_curve([0.0, 0.5, 1.0], {"precision": [0.2, 0.6, None]}, 0.25).axes
    assert axes.get_ylim() == (-0.02, 1.02)
    assert lines(axes)[1] == [[0.25, 0], [0.25, 1]]
    assert [text.get_text() for text in axes.texts] == ["0.25"]


def test_intervals_lie_where_the_axis_says_the_first_on_top() -> None:
    rows = [Interval("fp32", 80.0, 78.0, 81.0), Interval("int8", 79.0), Interval("none", None)]
    (axes,) = draw_intervals(rows, "mAP, %", reference=80.5).axes
    assert lines(axes) == [
        [[78, 0], [81, 0]],
        [[80, 0]],
        [[79, 1]],
        [[80.5, 0], [80.5, 1]],
    ]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["fp32", "int8", "none"]
    assert axes.get_ylim() == (2.5, -0.5)


def test_a_cell_is_as_strong_as_its_share_of_the_highest() -> None:
    figure = draw_heat_map([[4, None], [0, 2]], ["a", "b"], ["c", "d"], digits=1, unit="%")
    (axes,) = figure.axes
    (image,) = axes.get_images()
    alpha = np.asarray(image.get_array())[..., 3]
    assert alpha.tolist() == [[0.75, 0], [0, 0.375]]
    assert [text.get_text() for text in axes.texts] == ["4.0", "0.0", "2.0", "full color: 4.0 %"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["c", "d"]
    many = draw_heat_map(np.ones((2, 13)), ["a", "b"], [f"c{one}" for one in range(13)])
    assert [text.get_text() for text in many.axes[0].texts] == ["full color: 1"]


DRAWN: dict[str, Callable[[], Figure]] = {
    "no bars": lambda: draw_histogram([], [0.0]),
    "empty bars": lambda: draw_histogram([0, 0], [0.0, 0.5, 1.0], 0.2, scale="log"),
    "one value": lambda: draw_histogram([3], [0.5, 0.5], 0.5),
    "no lines": lambda: draw_lines({}, "x", "y"),
    "no points": lambda: draw_lines({"a": ([], []), "b": ([1], [None])}, "x", "y"),
    "no curve": lambda: draw_curve([], {"a": []}, None),
    "no rows": lambda: draw_intervals([]),
    "no matrix": lambda: draw_heat_map([], [], []),
    "no columns": lambda: draw_heat_map([[]], ["a"], []),
    "nothing known": lambda: draw_heat_map([[math.nan]], ["a"], ["b"]),
    "hostile names": lambda: draw_heat_map(np.ones((len(HOSTILE),) * 2), HOSTILE, HOSTILE),
    "hostile rows": lambda: draw_intervals([Interval(one, 1.0) for one in HOSTILE], "$a_b$"),
    "hostile lines": lambda: draw_lines({one: ([1, 2], [1, 2]) for one in HOSTILE}, "$", "\\"),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN.keys())
def test_nothing_to_draw_is_a_chart_and_names_are_no_formulas(draw: Callable[[], Figure]) -> None:
    svg = inline(draw())
    assert inline(draw()) == svg
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert "nan" not in root.attrib["viewBox"]
    assert {one.tag for one in root.iter()} <= {
        *("svg", "title", "desc", "g", "path", "text", "defs", "use", "clipPath", "rect", "image"),
        "tspan",
    }


def test_names_are_shown_as_they_are() -> None:
    shown = words(inline(draw_intervals([Interval(one, 1.0) for one in HOSTILE])))
    spelled = ["two\\nlines", "\\x00\\x1b", "\\udc80", "\\u202eturned"]
    as_they_are = HOSTILE[: -len(spelled)]
    assert [one for one in (*as_they_are, *spelled) if one not in shown] == []


def test_a_long_name_keeps_its_begin_and_its_end() -> None:
    assert to_label("x" * 28) == "x" * 28
    assert to_label("begin" + "x" * 40 + "end", 11) == "begin…xxend"
    assert to_label("日" * 10, 10) == "日日…日日"


def test_inside_a_page_nothing_is_styled_inline_and_colors_are_the_page_s() -> None:
    svg = inline(draw_lines({"a": ([1, 2], [3, 4]), "b": ([1, 2], [4, 3])}, "x", "y"))
    for absent in ("style", "xmlns", "DejaVu", "#1f5fa8", "#777777", "#222222", "DOCTYPE", "rdf"):
        assert absent not in svg
    root = ElementTree.fromstring(svg)
    strokes = {one.get("stroke") for one in root.iter("path")}
    assert {f"var(--series-{one})" for one in (1, 2)} <= strokes
    assert {one.get("fill") for one in root.iter("text")} == {"currentColor", "var(--faint)"}
    title, description = list(root)[:2]
    assert (title.tag, title.text) == ("title", "A title")
    assert (description.tag, description.text) == ("desc", "What it shows")
    assert root.attrib["aria-labelledby"].split() == [title.get("id"), description.get("id")]
    # 3.6 inches of 96 pixels: the window of a telephone
    assert (root.attrib["width"], root.attrib["viewBox"].split()[2]) == ("346", "259.2")


def test_identifiers_begin_with_the_key_and_each_reference_has_its_target() -> None:
    figure = draw_lines({"a": ([1, 2, 3], [3, None, 4])}, "x", "y")
    svg = inline(figure, "labels-cat-1")
    ids = re.findall(r' id="([^"]+)"', svg)
    references = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
    wanted = {one or other for one, other in references}
    assert wanted
    assert wanted <= set(ids)
    assert len(ids) == len(set(ids))
    assert all(one.startswith("labels-cat-1-") for one in ids)
    assert len(svg) < 9_000


def test_settings_of_the_user_change_no_chart() -> None:
    plain = to_svg(draw_histogram([1, 2], [0.0, 0.5, 1.0], 0.5))
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.fonttype": "path"}):
        assert to_svg(draw_histogram([1, 2], [0.0, 0.5, 1.0], 0.5)) == plain


def test_the_styles_colors_are_those_of_the_series() -> None:
    figure = draw_lines({str(one): ([0, 1], [0, 1]) for one in range(8)}, "x", "y")
    assert [line.get_color() for line in figure.axes[0].get_lines()] == list(SERIES)
