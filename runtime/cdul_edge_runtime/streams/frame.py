"""One picture of a stream, with the time at which it was taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.choices import Color

Pixels = npt.NDArray[np.uint8]
# Whose clock dates a frame: the camera's (RTCP sender reports, a bag's stamps), or this machine's
# when the frame arrived.
Clock = Literal["camera", "arrival"]
CLOCKS_APART_S = 60.0  # a camera's clock that differs more from ours was never set


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded picture, which is converted to an array only when it is needed.

    Attributes:
        picture: (H, W, 3) uint8, or a function that returns it: of 25 frames a second that are
            decoded, few may be classified, and only those need to be converted.
        time_s: when the picture was taken, in seconds since 1970 (UTC).
        clock: whose clock `time_s` is.
        pts_s: presentation time within a file or stream, in seconds; None where it has none.
        color: the order of the channels of `picture`.
        arrived_s: `time.monotonic()` when it was decoded.
    """

    picture: Pixels | Callable[[], Pixels] = field(repr=False)
    time_s: float
    clock: Clock = "arrival"
    pts_s: float | None = None
    color: Color = "rgb"
    arrived_s: float = field(default_factory=time.monotonic)

    def pixels(self) -> Pixels:
        """(H, W, 3) uint8 in the order of `color`."""
        return self.picture() if callable(self.picture) else self.picture
