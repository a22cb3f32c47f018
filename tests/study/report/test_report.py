"""The arithmetic of tables and claims on numbers that were written by hand, and the charts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes

from cdul_edge.page.charts import to_svg
from cdul_edge.study.outcome import Failed, Outcome
from cdul_edge.study.report.charts import Curves, plot_curves, plot_spreads
from cdul_edge.study.report.claims import Claim, check_claims, judge
from cdul_edge.study.report.report import make_report
from cdul_edge.study.report.summary import Spread, summarize
from cdul_edge.study.report.tables import Table, render, tabulate_classes, tabulate_study

Outcomes = list[Outcome]
SVG = "{http://www.w3.org/2000/svg}"


def test_the_deviation_is_that_of_a_sample() -> None:
    assert Spread.of([70.0, 72.0]).deviation == pytest.approx(2**0.5)
    assert str(Spread.of([70.0, 72.0])) == "71.0 ± 1.4"
    assert str(Spread.of([70.0])) == "70.0"


def test_a_row_is_the_mean_over_seeds_and_gains_are_seed_by_seed(outcomes: Outcomes) -> None:
    fixed, cdul, glob = summarize(outcomes)
    assert [one.row for one in (fixed, cdul, glob)] == [
        ("default", "fixed", "none"),
        ("default", "cdul", "none"),
        ("global", "fixed", "none"),
    ]
    assert cdul.spread("heldout_map") == Spread.of([71.0, 74.0])
    assert cdul.gains == {0: 1.0, 1: 2.0}
    assert fixed.gains == glob.gains == {}
    assert cdul.ap == {"cat": {0: 72.0, 1: 75.0}, "dog": {0: 70.0, 1: 73.0}}
    assert cdul.to_dict()["gains"] == {"0": 1.0, "1": 2.0}


def test_gains_are_over_the_baseline_of_the_same_level(cell: Callable[..., Any]) -> None:
    found = summarize(
        [
            cell("default", "fixed", 0, 70.0),
            cell("default", "fixed", 0, 76.0, observed="10%"),
            cell("default", "em", 0, 79.0, observed="10%"),
            cell("default", "em", 1, 79.0, observed="10%"),  # no baseline of this seed
        ]
    )
    assert found[2].gains == {0: 3.0}


def test_a_failed_cell_leaves_the_other_seeds_and_its_reason(outcomes: Outcomes) -> None:
    outcomes[1] = Failed(outcomes[1].cell, "it needs cosines")
    cdul = summarize(outcomes)[1]
    assert cdul.spread("heldout_map") == Spread(74.0, None)
    assert cdul.gains == {1: 2.0}
    assert cdul.failures == ("it needs cosines",)
    assert "- default, cdul, none: it needs cosines" in tabulate_study(summarize(outcomes), [])


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([1.0, 2.0, 3.0], "holds"),  # mean 2, deviation 1
        ([-1.0, -2.0, -3.0], "contradicted"),
        ([0.1, 3.0, 6.0], "holds"),  # mean 3.03, deviation 2.95
        ([0.1, 0.2, 6.0], "not distinguishable"),  # one seed alone: mean 2.1, deviation 3.4
        ([-0.1, 2.0, 2.0], "not distinguishable"),  # mean 1.3 above deviation 1.2, signs differ
        ([5.0], "not distinguishable"),
        ([0.0, 0.0], "not distinguishable"),
        ([], "not run"),
    ],
)
def test_a_claim_holds_where_all_seeds_agree_beyond_their_spread(
    gains: list[float], verdict: str
) -> None:
    assert judge(gains) == verdict


def test_claims_compare_the_named_sides_in_the_named_measure(outcomes: Outcomes) -> None:
    claims = (
        Claim("labels", "strategy", "default", "global", "labels_first_map"),
        Claim("alignment", "method", "cdul", "fixed", "heldout_map"),
        Claim("absent", "method", "vlpl", "vlpl+negatives", "heldout_map"),
    )
    labels, alignment, absent = check_claims(summarize(outcomes), claims)
    assert labels.gains == {0: 15.0, 1: 15.0}
    assert alignment.gains == {0: 1.0, 1: 2.0}
    assert (labels.verdict, alignment.verdict, absent.verdict) == ("holds", "holds", "not run")
    assert alignment.to_dict()["mean"] == 1.5
    assert alignment.to_dict()["deviation"] == 0.71


def test_columns_of_a_table_line_up() -> None:
    assert render(["a", "value"], [["method", "1"]]) == (
        "| a      | value |\n| ------ | ----: |\n| method |     1 |\n"
    )


def test_the_tables_hold_methods_strategies_and_claims(outcomes: Outcomes) -> None:
    text = make_report({}, outcomes).table
    methods, strategies, claims = text.split("\n## ")
    row = next(line for line in methods.splitlines() if line.startswith("| cdul "))
    assert "72.5 ± 2.1" in row
    assert "+1.50 ± 0.71" in row
    assert "+1.00 +2.00" in row
    assert "| global " in strategies
    assert "66.0 ± 1.4" in strategies
    assert "cdul - fixed" in claims
    assert "holds" in claims


def test_levels_are_columns_and_what_was_not_run_is_a_dash(cell: Callable[..., Any]) -> None:
    text = make_report(
        {},
        [
            cell("default", "em", 0, 70.0),
            cell("default", "em", 0, 75.0, observed="10%"),
            cell("default", "role", 0, 77.0, observed="10%"),
        ],
    ).table
    assert "| method | none |  10% |" in text
    assert "| em     | 70.0 | 75.0 |" in text
    assert "| role   |    - | 77.0 |" in text


def test_a_table_is_turned_on_its_side() -> None:
    table = Table("title", ["method", "cat", "dog"], [["fixed", "1", "2"], ["em", "3", "4"]])
    turned = table.transpose("class")
    assert turned.headings == ["class", "fixed", "em"]
    assert [list(row) for row in turned.rows] == [["cat", "1", "3"], ["dog", "2", "4"]]
    assert Table("none", ["method"], []).transpose("class").rows == []


def test_the_best_of_a_class_is_bold(outcomes: Outcomes) -> None:
    cells = [cell for row in tabulate_classes(summarize(outcomes)).rows for cell in row]
    assert "**73.5**" in cells  # cat: cdul's mean of 72 and 75
    assert sum(cell.count("**") for cell in cells) == 4


def test_every_file_of_a_report_is_written_and_says_the_same(
    outcomes: Outcomes, tmp_path: Path
) -> None:
    report = make_report({"epochs": 1}, outcomes)
    files = report.write(tmp_path)
    assert sorted(file.name for file in files) == sorted(p.name for p in tmp_path.iterdir())
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["settings"] == {"epochs": 1}
    assert results["cells"] == [outcome.to_dict() for outcome in outcomes]
    assert [row["heldout_map"] for row in results["rows"]] == [71.0, 72.5, 60.0]
    lines = (tmp_path / "per_class.csv").read_text().splitlines()
    assert lines[0] == "strategy,method,observed,class,seed,ap"
    assert "default,cdul,none,cat,1,75.0000" in lines
    assert len(lines) == 1 + 3 * 2 * 2
    for chart in ("methods.svg", "strategies.svg", "curves.svg"):
        ElementTree.parse(tmp_path / chart)


def test_a_report_without_a_finished_cell_has_no_charts(outcomes: Outcomes, tmp_path: Path) -> None:
    failed = [Failed(outcome.cell, "no") for outcome in outcomes]
    report = make_report({}, failed)
    assert report.failures == 6
    report.write(tmp_path)
    assert list(tmp_path.glob("*.svg")) == []
    assert "default, fixed, none: no" in (tmp_path / "table.md").read_text()


def data(axes: Axes) -> list[tuple[list[float], list[float]]]:
    """x and y of every line that is drawn through data."""
    points = [np.asarray(line.get_xydata()) for line in axes.get_lines()]
    return [(xy[:, 0].tolist(), xy[:, 1].tolist()) for xy in points]


def test_means_lie_where_the_axis_says_and_the_best_is_on_top() -> None:
    rows = {"low": {0: 60.0, 1: 62.0}, "a < b": {0: 70.0, 1: 72.0}}
    (axes,) = plot_spreads("title", "unit", rows, "low").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a < b", "low"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # place 0 is on top
    drawn = data(axes)
    assert ([70.0, 72.0], [0, 0]) in drawn  # every seed
    assert ([60.0, 62.0], [1, 1]) in drawn
    assert ([71.0], [0]) in drawn  # the mean, and its deviation: the square root of 2
    ends = [pytest.approx([71 - 2**0.5]), pytest.approx([71 + 2**0.5])]
    assert [x for x, y in drawn if y == [0] and x != [71.0]] == ends
    assert ([61.0, 61.0], [0, 1]) in drawn  # the baseline's mean through all rows
    assert [text.get_text() for text in axes.texts] == ["71.0 ± 1.4", "61.0 ± 1.4"]


def test_an_axis_never_shows_differences_smaller_than_a_point() -> None:
    (axes,) = plot_spreads("title", "unit", {"one": {0: 50.0, 1: 50.001}}).axes
    low, high = axes.get_xlim()
    assert (low + high) / 2 == pytest.approx(50.0005)
    assert high - low == pytest.approx(1.0, abs=0.1)


def test_a_panel_has_the_baseline_behind_it_and_labels_only_where_they_move() -> None:
    still = Curves([[50.0, 60.0], [52.0, 62.0]], [[80.0, 80.0]] * 2)
    moving = Curves([[51.0, 65.0]] * 2, [[80.0, 82.0]] * 2)
    fixed, cdul = plot_curves("t", {"fixed": still, "cdul": moving}, "fixed").axes
    assert data(fixed) == [([1, 2], [51.0, 61.0])] * 2  # means over the seeds
    assert data(cdul) == [([1, 2], [51, 61]), ([1, 2], [80, 82]), ([1, 2], [51, 65])]
    assert [line.get_linestyle() for line in cdul.get_lines()] == ["-", "--", "-"]


def test_more_panels_than_a_row_holds_leave_no_empty_one() -> None:
    curves = {f"method {n}": Curves([[50.0 + n]], [[80.0]]) for n in range(7)}
    figure = plot_curves("t", curves, "fixed")
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(curves)


def test_a_chart_is_the_same_text_every_time_with_its_words_as_words() -> None:
    rows = {"low": {0: 60.0, 1: 62.0}, "a < b": {0: 70.0, 1: 72.0}}
    first, again = (to_svg(plot_spreads("title", "unit", rows, "low")) for _ in range(2))
    assert first == again
    words = [text.text for text in ElementTree.fromstring(first).iter(f"{SVG}text")]
    assert {"title", "low", "a < b", "71.0 ± 1.4"} <= set(words)
    assert "date" not in first
    assert "Matplotlib" not in first
