from __future__ import annotations

from time import sleep

from cdul_edge_runtime.bench.latency import measure_latency


def test_calls_take_turns_and_warm_up_does_not_count() -> None:
    order: list[str] = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = measure_latency(calls, repeats=3, warm_up=2)
    assert order == ["a", "b"] * 5
    assert found["a"].repeats == found["b"].repeats == 3


def test_percentiles_are_milliseconds_in_rising_order() -> None:
    (found,) = measure_latency({"sleep": lambda: sleep(0.002)}, repeats=5, warm_up=0).values()
    assert 2 <= found.p50_ms <= found.p95_ms <= found.p99_ms < 200


def test_a_budget_stops_early_but_not_before_ten_turns() -> None:
    (found,) = measure_latency({"x": int}, repeats=1000, warm_up=0, budget_s=0).values()
    assert found.repeats == 10
