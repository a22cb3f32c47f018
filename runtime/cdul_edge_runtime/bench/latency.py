"""Measuring how long calls take, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        repeats: calls that count.
        warm_up: calls before that do not.
        budget_s: seconds after which a measurement stops early, though not before ten calls.
    """

    repeats: int = 200
    warm_up: int = 5
    budget_s: float = 10.0


@dataclass(frozen=True)
class Latency:
    """Percentiles of one call's duration, in ms."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    repeats: int


def measure_latency(
    calls: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    warm_up: int = 5,
    budget_s: float | None = None,
    at_least: int = 10,
) -> dict[str, Latency]:
    """Time calls that take turns, so that a busy moment of the machine hits all of them.

    Args:
        calls: what to time, by name.
        repeats: turns of each that count.
        warm_up: turns before that do not.
        budget_s: stop early after so many seconds, though not before `at_least` turns.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    started = perf_counter()
    for turn in range(warm_up + repeats):
        for name, call in calls.items():
            before = perf_counter()
            call()
            if turn >= warm_up:
                seconds[name].append(perf_counter() - before)
        late = budget_s is not None and perf_counter() - started > budget_s
        if late and turn + 1 >= warm_up + at_least:
            break
    return {name: _summarize(values) for name, values in seconds.items()}


def _summarize(seconds: list[float]) -> Latency:
    p50, p95, p99 = (1000 * float(value) for value in np.percentile(seconds, (50, 95, 99)))
    return Latency(round(p50, 3), round(p95, 3), round(p99, 3), len(seconds))
