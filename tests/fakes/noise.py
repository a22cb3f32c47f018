"""Pictures of noise, for networks that only have to run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pictures(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """(count, 8, 8, 3), the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
