"""Both sides in one process, on the same frames, taking turns in blocks.

A turn is a run of calls of one side, after a pause in which the threads of the side before stop
spinning: call by call, waiting threads of one library would take the cores of the other. A process
for each side would avoid that as well, and let the two meet other moments of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from statistics import median
from time import perf_counter, sleep
from typing import Any

from benchmarks.peers.row import Setting
from benchmarks.record import interleave

# One call of a side; gives its figure, such as the ms it took.
Side = Callable[[], float]
PAUSE_S = 0.3
CALLS = 15


def alternate(
    sides: Mapping[str, Side], setting: Setting, calls: int = CALLS
) -> dict[str, tuple[float, ...]]:
    """`take_turns` as the setting wants it."""
    if setting.quick:
        return take_turns(sides, rounds=setting.rounds, calls=2, warm_up=1, pause_s=0)
    return take_turns(sides, rounds=setting.rounds, calls=calls)


def take_turns(
    sides: Mapping[str, Side],
    *,
    rounds: int,
    calls: int,
    warm_up: int = 3,
    pause_s: float = PAUSE_S,
) -> dict[str, tuple[float, ...]]:
    """The median figure of each side's calls in each round; every other round runs backwards.

    Args:
        sides: what takes turns, by name.
        calls: that count, of one side in a turn.
        warm_up: calls before those in each turn, and once more before the first.
        pause_s: between turns.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-1, rounds):
        order = list(sides)
        if turn % 2:
            order.reverse()
        for name in order:
            sleep(pause_s)
            for _ in range(warm_up):
                sides[name]()
            if turn >= 0:
                found[name].append(median(sides[name]() for _ in range(calls)))
    return {name: tuple(values) for name, values in found.items()}


def alternate_calls(
    calls: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Seconds of one long call of each side a round, after one that warms up.

    Every other round runs backwards.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    interleave(dict(calls), 1)
    for turn in range(rounds):
        order = dict(list(calls.items())[:: -1 if turn % 2 else 1])
        for name, found in interleave(order, 1).items():
            seconds[name] += found
    return seconds


def in_ms(call: Callable[[], object]) -> Side:
    """The whole of a call, in ms."""

    def run() -> float:
        start = perf_counter()
        call()
        return 1000 * (perf_counter() - start)

    return run


class Stopwatch:
    """Adds up the time spent inside one method of others."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def around(self, owner: Any, method: str) -> Generator[None]:
        """Watch `owner.method` (of a class or an object) meanwhile."""
        own = method in vars(owner)
        before = getattr(owner, method)

        def watched(*words: Any, **options: Any) -> Any:
            start = perf_counter()
            try:
                return before(*words, **options)
            finally:
                self.seconds += perf_counter() - start

        setattr(owner, method, watched)
        try:
            yield
        finally:
            if own:
                setattr(owner, method, before)
            else:
                delattr(owner, method)

    def beyond(self, call: Callable[[], object]) -> Side:
        """What a call takes beyond the watched method, in ms."""

        def run() -> float:
            inside, start = self.seconds, perf_counter()
            call()
            whole = perf_counter() - start
            return 1000 * (whole - (self.seconds - inside))

        return run
