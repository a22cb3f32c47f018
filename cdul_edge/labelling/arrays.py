"""Names for the arrays of labeling."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]  # of any precision
Singles: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Pixels: TypeAlias = npt.NDArray[np.uint8]


def softmax(values: Floats, temperature: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Floats:
    """Turn values / temperature into positive shares of 1 over the last axis, the classes.

    Args:
        values: cosines or logits, (…, C).
        temperature: above 0.
        dtype: to compute in; float32 where there are many patches.
    """
    logits = values.astype(dtype, copy=False) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares
