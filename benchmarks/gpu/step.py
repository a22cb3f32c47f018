"""What a step of the GPU check is given, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Literal, TypeVar

from benchmarks.gpu.machine import CheckedMachine

Device = Literal["cuda", "cpu"]
Verdict = Literal["met", "missed", "not judged"]
Size = TypeVar("Size")


@dataclass(frozen=True)
class Setting:
    """Where the check runs, and at which size; what `Step.needs` may look at."""

    device: Device
    quick: bool
    machine: CheckedMachine

    @property
    def full(self) -> bool:
        """Whether this is the real thing: a GPU, and full sizes."""
        return self.device == "cuda" and not self.quick

    def size(self, full: Size, quick: Size) -> Size:
        """`quick` with `--quick`, else `full`."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Figure:
    """A number, and the bar that it is held to, if any.

    Attributes:
        value: what was measured; None or NaN where it could not be, which misses every bar.
        costs: seconds, memory, or ratios of them, which say something of a GPU at full size only:
            their bars are not judged with `--quick` or on a CPU.
    """

    name: str
    value: float | None
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    costs: bool = False

    def named(self, name: str) -> Figure:
        """The same under another name."""
        return replace(self, name=name)

    def verdict(self, *, full: bool) -> Verdict:
        """Whether the bar is met; a figure without a bar is not judged."""
        if (self.at_least is None and self.at_most is None) or (self.costs and not full):
            return "not judged"
        if self.value is None or not isfinite(self.value):
            return "missed"
        low = self.at_least is None or self.value >= self.at_least
        return "met" if low and (self.at_most is None or self.value <= self.at_most) else "missed"


@dataclass(frozen=True)
class Outcome:
    """What a step found; everything in it can be written as JSON.

    Attributes:
        figures: the rows of the table at the end.
        failures: a line for each thing that went wrong beside the figures; any one fails the step.
        notes: a line for each thing that was left out, and why.
        details: curves, repeats, names: for whoever reads the result file.
    """

    figures: tuple[Figure, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Context(Setting):
    """What a running step is given.

    Attributes:
        folder: an empty folder of its own, removed afterwards.
        deadline: `time.monotonic()` at which the step is stopped.
        keep: call it with what is found so far; if the step crashes or is stopped, that is kept.
    """

    folder: Path
    deadline: float
    keep: Callable[[Outcome], None]

    def seconds_left(self) -> float:
        """Until the step is stopped."""
        return self.deadline - monotonic()


@dataclass(frozen=True)
class Step:
    """One part of the check. Its module imports torch and the like inside of functions only.

    Attributes:
        name: of its result file and of `--steps`.
        title: what it proves, in a few words.
        needs: why it cannot run here, in a line, or None.
        modules: that it imports, of those that may be missing.
        seconds: what it takes on a fast GPU; it is stopped after its share of the whole time,
            which is never less than this.
        quick_seconds: the same with `--quick`, on a CPU.
        run: does it.
    """

    name: str
    title: str
    needs: Callable[[Setting], str | None]
    seconds: float
    quick_seconds: float
    run: Callable[[Context], Outcome]
    modules: tuple[str, ...] = ()

    def obstacle(self, setting: Setting) -> str | None:
        """Why it cannot run here, in a line, or None."""
        missing = [name for name in self.modules if find_spec(name) is None]
        if missing:
            return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        return self.needs(setting)

    def estimate(self, setting: Setting) -> float:
        """Seconds that it needs at the least."""
        return setting.size(self.seconds, self.quick_seconds)


def anywhere(setting: Setting) -> None:
    """For `needs`: it runs wherever the check does."""
