"""What smoothing says of a frame: which labels are there, and which appeared and went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

# Why a label went although nothing was seen in its place: no frame for `reset_s`, a clock that
# went back, or `Smoother.close`.
EndReason = Literal["gap", "clock", "closed"]


@dataclass(frozen=True)
class LabelAppeared:
    """A label became present; exactly one `LabelGone` of it follows, at `close` at the latest.

    Attributes:
        label: its class.
        since_s: time of the frame that reached the threshold first.
        time_s: time of the frame that made it certain, `appear_s` later or more.
        score: smoothed, in [0, 1], at that frame.
    """

    label: str
    since_s: float
    time_s: float
    score: float


@dataclass(frozen=True)
class LabelGone:
    """A label is no longer present.

    Attributes:
        label: its class.
        since_s: as in its `LabelAppeared`.
        until_s: time of the last frame at which it was seen.
        time_s: time of the frame that made its end certain; after a gap or a clock that went back,
            of the last frame before; at `close`, the time that was given.
        peak: highest smoothed score from `since_s` on, in [0, 1].
        reason: None if frames no longer show it; else why that cannot be told.
    """

    label: str
    since_s: float
    until_s: float
    time_s: float
    peak: float
    reason: EndReason | None = None

    @property
    def duration_s(self) -> float:
        """Seconds from `since_s` to `until_s`, 0 or more."""
        return self.until_s - self.since_s


LabelChange = LabelAppeared | LabelGone


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A frame with what came before it taken into account.

    Attributes:
        scores: (C,) float32 smoothed scores in [0, 1].
        present: (C,) which labels are there now.
        changes: what appeared and went with this frame, ends first, then in class order.
    """

    scores: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    changes: tuple[LabelChange, ...]
