"""The arithmetic of tables and claims on numbers that were written by hand, and the charts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cdul_edge.study.charts import Curves, draw_curves, draw_spreads
from cdul_edge.study.claims import Claim, check_claims, judge
from cdul_edge.study.drawing import Axis, fit_axis, round_step
from cdul_edge.study.report import make_report
from cdul_edge.study.summary import Spread, summarize
from cdul_edge.study.tables import render, tabulate_classes, tabulate_study

Outcomes = list[dict[str, Any]]
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
    outcomes[1] = {"cell": outcomes[1]["cell"], "status": "failed", "reason": "it needs cosines"}
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


def test_the_best_of_a_class_is_bold(outcomes: Outcomes) -> None:
    table = tabulate_classes(summarize(outcomes))
    assert "**73.5**" in table  # cat: cdul's mean of 72 and 75
    assert table.count("**") == 4


def test_every_file_of_a_report_is_written_and_says_the_same(
    outcomes: Outcomes, tmp_path: Path
) -> None:
    report = make_report({"epochs": 1}, outcomes)
    files = report.write(tmp_path)
    assert sorted(file.name for file in files) == sorted(p.name for p in tmp_path.iterdir())
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["settings"] == {"epochs": 1}
    assert results["cells"] == outcomes
    assert [row["heldout_map"] for row in results["rows"]] == [71.0, 72.5, 60.0]
    lines = (tmp_path / "per_class.csv").read_text().splitlines()
    assert lines[0] == "strategy,method,observed,class,seed,ap"
    assert "default,cdul,none,cat,1,75.0000" in lines
    assert len(lines) == 1 + 3 * 2 * 2
    for chart in ("methods.svg", "strategies.svg", "curves.svg"):
        ElementTree.parse(tmp_path / chart)


def test_a_report_without_a_finished_cell_has_no_charts(outcomes: Outcomes, tmp_path: Path) -> None:
    failed = [{"cell": one["cell"], "status": "failed", "reason": "no"} for one in outcomes]
    report = make_report({}, failed)
    assert report.failures == 6
    report.write(tmp_path)
    assert list(tmp_path.glob("*.svg")) == []
    assert "default, fixed, none: no" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("least", "step"), [(1.0, 1), (1.1, 2), (2.1, 5), (6, 10), (0.03, 0.05), (30, 50)]
)
def test_ticks_are_round(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_an_axis_has_room_for_every_value_and_maps_its_ends() -> None:
    axis = fit_axis([60.0, 71.0], 100.0, 200.0)
    assert (axis.low, axis.high) == (60, 72)
    assert (axis.at(60), axis.at(66), axis.at(72)) == (100, 150, 200)
    assert Axis(60, 72, 0, 1).ticks(6) == [60, 62, 64, 66, 68, 70, 72]
    one = fit_axis([50.0], 0, 1)
    assert one.low <= 50 < one.high
    # A point at least, as narrower ticks would all read the same.
    assert [one.low, one.high] == pytest.approx([49.4, 50.6])


def test_means_lie_where_the_axis_says_and_the_best_is_on_top() -> None:
    rows = {"low": {0: 60.0, 1: 62.0}, "a < b": {0: 70.0, 1: 72.0}}
    picture = ElementTree.fromstring(draw_spreads("title", "unit", rows, "low"))
    means = [c for c in picture.iter(f"{SVG}circle") if c.get("r") == "4.5"]
    assert [float(str(c.get("cy"))) for c in means] == [67.0, 89.0]
    upper, lower = (float(str(c.get("cx"))) for c in means)
    assert upper > lower
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert words.index("a < b") < words.index("low")
    assert "71.0 ± 1.4" in words


def test_a_panel_has_the_baseline_behind_it_and_labels_only_where_they_move() -> None:
    still = Curves([[50.0, 60.0], [52.0, 62.0]], [[80.0, 80.0]] * 2)
    moving = Curves([[51.0, 65.0]] * 2, [[80.0, 82.0]] * 2)
    picture = ElementTree.fromstring(draw_curves("t", {"fixed": still, "cdul": moving}, "fixed"))
    lines = [line for line in picture.iter(f"{SVG}polyline") if line.get("stroke") != "#ddd"]
    assert len(lines) == 2 + 3
    assert sum(line.get("stroke-dasharray") is not None for line in lines) == 1
