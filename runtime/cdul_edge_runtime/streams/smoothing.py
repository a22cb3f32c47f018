"""Labels that do not flicker: averaged logits, two thresholds, and least durations, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Smoothing:
    """How scores of one stream become labels that appear and go.

    Everything counts seconds and not frames, so that 10 and 25 frames a second give alike labels.

    Attributes:
        average_s: time constant of the exponential average of the logits; 0 does not average.
        enter: logits above its class's threshold at which a label appears.
        leave: logits below it at which a label goes.
        appear_s: how long a label must stay above before it appears.
        gone_s: how long it must stay below before it is gone.
        reset_s: a gap between frames that is longer starts anew.
    """

    average_s: float = 0.2
    enter: float = 0.0
    leave: float = 0.4
    appear_s: float = 0.1
    gone_s: float = 0.2
    reset_s: float = 5.0
