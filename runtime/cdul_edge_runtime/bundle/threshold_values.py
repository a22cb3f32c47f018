"""How thresholds stand in JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def thresholds_to_json(thresholds: npt.NDArray[np.floating[Any]]) -> list[float | None]:
    """JSON has no infinity: a class that is never predicted stands as null."""
    return [None if math.isinf(value) else float(value) for value in thresholds]


def thresholds_from_json(values: Sequence[float | None]) -> npt.NDArray[np.float32]:
    """Read what `thresholds_to_json` wrote."""
    return np.array([math.inf if v is None else v for v in values], dtype=np.float32)
