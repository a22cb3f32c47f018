"""Which steps run, which do not and why, and how long each may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from benchmarks.gpu.result_file import StepResult
from benchmarks.gpu.step import Setting, Step
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Plan:
    """What was decided before the first step.

    Attributes:
        run: steps to run, in order.
        done: results of earlier runs that stand.
        skipped: (step, why it cannot run here).
        left: steps that do not fit the time.
    """

    run: tuple[Step, ...]
    done: tuple[tuple[Step, StepResult], ...]
    skipped: tuple[tuple[Step, str], ...]
    left: tuple[Step, ...]


def find_steps(module: str, names: Sequence[str]) -> tuple[Step, ...]:
    """The module's STEPS, or those of them that are named.

    Raises:
        CdulEdgeError: a name that no step has.
    """
    steps: tuple[Step, ...] = import_module(module).STEPS
    known = [step.name for step in steps]
    for name in names:
        if name not in known:
            raise CdulEdgeError(f"there is no step {name!r}: expected {', '.join(known)}")
    return tuple(step for step in steps if not names or step.name in names)


def make_plan(
    steps: Sequence[Step], setting: Setting, earlier: Mapping[str, StepResult], seconds: float
) -> Plan:
    """Take steps in their order as long as their estimates fit the time.

    Args:
        steps: what was asked for.
        setting: where.
        earlier: finished results with this identity, by the step's name.
        seconds: that all of them may take together.
    """
    run: list[Step] = []
    left: list[Step] = []
    done: list[tuple[Step, StepResult]] = []
    skipped: list[tuple[Step, str]] = []
    for step in steps:
        if step.name in earlier:
            done.append((step, earlier[step.name]))
        elif why := step.obstacle(setting):
            skipped.append((step, why))
        elif sum(one.estimate(setting) for one in [*run, step]) > seconds:
            left.append(step)
        else:
            run.append(step)
    return Plan(tuple(run), tuple(done), tuple(skipped), tuple(left))


def share(step: Step, waiting: Sequence[Step], setting: Setting, seconds_left: float) -> float:
    """The seconds that a step may take, of those that are left for it and those after it.

    In proportion to the estimates, so that no step can take another's time: where the estimates
    fit at the start, each share is at least the step's own estimate to the end.
    """
    whole = sum(one.estimate(setting) for one in (step, *waiting))
    return seconds_left * step.estimate(setting) / whole
