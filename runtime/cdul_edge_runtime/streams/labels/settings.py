"""How labels are smoothed: numbers alone, so that the help of a command needs no NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Real

from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Smoothing:
    """How scores of one stream become labels that appear and go.

    Everything counts seconds and not frames, so that 10 and 25 frames a second give similar labels.
    The defaults found most presences among 360 settings that kept mAP, F1, and flips in bounds on
    six drawn videos (`benchmarks/streams/smoothing.py`); six other videos judged them. A `leave`
    well above `enter` is calmer still, but a score that hovers below its threshold keeps its label.

    Attributes:
        average_s: time constant of the exponential average of the logits; 0 does not average.
        enter: logits above its class's threshold at which a label appears.
        leave: logits below it at which a label goes; `enter + leave` is 0 or more.
        appear_s: how long a label must stay above before it appears.
        gone_s: how long it must stay below before it is gone.
        reset_s: after a longer gap between frames, every label ends and the average begins anew;
            more than 0. Frames that are always further apart are thus taken one by one.

    Raises:
        CdulEdgeError: a value is not a finite number in its range; the text names each of them.
            `reset_s` may be infinite.
    """

    average_s: float = 0.2
    enter: float = 0.0
    leave: float = 0.0
    appear_s: float = 0.1
    gone_s: float = 0.5
    reset_s: float = 5.0

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        faults = [
            f"{name} is {value!r}, expected {_RANGES[name]}"
            for name, value in given.items()
            if not _is_number(value) or not _in_range(name, value)
        ]
        if not faults and self.enter + self.leave < 0:
            faults.append(
                f"enter is {self.enter} and leave is {self.leave}, expected enter + leave to be "
                "0 or more: a label would go where it appears"
            )
        if faults:
            raise CdulEdgeError(f"smoothing: {'; '.join(faults)}")


_SECONDS = "seconds, 0 or more"
_RANGES = {
    "average_s": _SECONDS,
    "enter": "a finite number of logits",
    "leave": "a finite number of logits",
    "appear_s": _SECONDS,
    "gone_s": _SECONDS,
    "reset_s": "seconds, more than 0",
}


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def _in_range(name: str, value: float) -> bool:
    if name == "reset_s":
        return value > 0
    return math.isfinite(value) and (name in ("enter", "leave") or value >= 0)
