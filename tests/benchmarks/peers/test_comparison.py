"""Ratios, bars and turns, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from time import sleep

import pytest

from benchmarks.peers.row import Bar, Comparison, Measured
from benchmarks.peers.turns import Stopwatch, take_turns
from cdul_edge_runtime.host.json_record import parse_record


def comparison(ours: tuple[float, ...], theirs: tuple[float, ...], bar: Bar | None) -> Comparison:
    return Comparison("key", "work", "peer", "ms", ours, theirs, bar)


def test_the_ratio_is_the_median_of_the_rounds_and_no_ratio_of_medians() -> None:
    # 1/2, 2/4 and 9/3: the median is 0.5, where the medians 2 and 3 would give 0.67
    assert comparison((1, 2, 9), (2, 4, 3), None).ratio == 0.5


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (Bar("at most", 0.5), True),
        (Bar("at most", 0.49), False),
        (Bar("at least", 0.5), True),
        (Bar("at least", 0.51), False),
        (Bar("at most", 2.0, of="ours"), True),
        (Bar("at most", 1.9, of="ours"), False),
        (None, None),
    ],
)
def test_a_bar_is_met_by_the_ratio_or_by_our_own_figure(bar: Bar | None, met: bool | None) -> None:
    assert comparison((1, 2, 9), (2, 4, 3), bar).met is met


def test_a_bar_is_held_to_what_was_measured_and_not_to_what_is_shown() -> None:
    assert comparison((1.0004,), (1.0,), Bar("at most", 1.0)).met is False


def test_what_was_measured_comes_back_from_json_with_what_follows_from_it() -> None:
    measured = Measured((comparison((1, 2, 9), (2, 4, 3), Bar("at most", 0.4)),), ("a note",))
    text = json.dumps(measured.to_dict())
    assert parse_record(Measured, json.loads(text)) == measured
    (found,) = json.loads(text)["comparisons"]
    told = {key: found[key] for key in ("median_ours", "median_theirs", "ratio", "met")}
    assert told == {"median_ours": 2, "median_theirs": 3, "ratio": 0.5, "met": False}


def test_sides_take_turns_in_blocks_whose_order_alternates() -> None:
    called = ""
    ticks = iter(range(100))

    def side(name: str) -> float:
        nonlocal called
        called += name
        return next(ticks)

    sides = {"a": lambda: side("a"), "b": lambda: side("b")}
    found = take_turns(sides, rounds=2, calls=3, warm_up=1, pause_s=0)
    # each first warms up once more: that turn runs backwards, the first that counts forwards
    assert called == "ba" + "aaaabbbb" + "bbbbaaaa"
    assert found == {"a": (4, 16), "b": (8, 12)}  # medians of 3 4 5, 15 16 17; 7 8 9, 11 12 13


class Network:
    def run(self) -> str:
        sleep(0.02)
        return "scores"

    def frame(self) -> str:
        sleep(0.01)
        return self.run()


def test_a_watch_takes_the_network_off_and_leaves_the_class_as_it_was() -> None:
    watch, network, original = Stopwatch(), Network(), Network.run
    with watch.around(Network, "run"):
        milliseconds = watch.beyond(network.frame)()
    assert Network.run is original
    assert watch.seconds >= 0.02
    assert milliseconds >= 10
    whole = watch.beyond(network.run)()  # no longer watched
    assert whole >= 20


def test_a_watch_on_an_inherited_method_does_not_stay_behind() -> None:
    class Child(Network):
        pass

    with Stopwatch().around(Child, "run"):
        assert "run" in vars(Child)
        assert Child().run() == "scores"
    assert "run" not in vars(Child)


def test_figures_keep_four_digits(tmp_path: Path) -> None:
    found = comparison((1.23456,), (12345.6,), None).to_dict()
    assert (found["ours"], found["theirs"]) == ([1.235], [12350.0])
