"""Which steps fit into the time, and how long each may take."""

from __future__ import annotations

import pytest

from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.plan import make_plan, share
from benchmarks.gpu.step import Context, Figure, Outcome, Setting, Step, anywhere
from benchmarks.gpu.steps import STEPS

NOWHERE = CheckedMachine(None, None, None, None, None, (), {}, {})
FULL = Setting("cuda", False, NOWHERE)


def nothing(context: Context) -> Outcome:
    return Outcome()


def step(name: str, seconds: float, why: str | None = None) -> Step:
    needs = anywhere if why is None else lambda setting: why
    return Step(name, name, needs, seconds, 1, nothing)


def test_what_does_not_fit_is_left_and_later_steps_that_fit_are_run() -> None:
    steps = [step("a", 60), step("b", 100), step("c", 50, "no GPU"), step("d", 40)]
    plan = make_plan(steps, FULL, {}, 120)
    assert [one.name for one in plan.run] == ["a", "d"]
    assert [one.name for one in plan.left] == ["b"]
    assert [(one.name, why) for one, why in plan.skipped] == [("c", "no GPU")]


def test_shares_follow_the_estimates_and_what_a_step_leaves_is_shared_again() -> None:
    a, b, c = step("a", 30), step("b", 20), step("c", 10)
    assert share(a, [b, c], FULL, 120) == 60
    assert share(b, [c], FULL, 120 - 60) == 40  # a took all of its share
    assert share(b, [c], FULL, 120 - 30) == 60  # a took its estimate
    assert share(c, [], FULL, 25) == 25


def test_a_number_that_is_none_misses_every_bar() -> None:
    assert Figure("x", None, at_most=1).verdict(full=True) == "missed"
    assert Figure("x", float("nan"), at_least=1).verdict(full=True) == "missed"
    assert Figure("x", None).verdict(full=True) == "not judged"
    assert Figure("x", 2, at_least=1, at_most=2).verdict(full=True) == "met"
    assert Figure("x", 3, at_least=1, at_most=2).verdict(full=False) == "missed"


def test_all_steps_fit_into_eight_minutes() -> None:
    assert sum(one.seconds for one in STEPS) <= 8 * 60 - 30  # asking for versions takes some
    assert sum(one.quick_seconds for one in STEPS) <= 2 * 60


@pytest.mark.parametrize("one", STEPS, ids=lambda one: one.name)
def test_a_name_is_a_file_and_a_word(one: Step) -> None:
    assert one.name.replace("_", "").isalnum()
    assert [other.name for other in STEPS].count(one.name) == 1
