"""Names for the arrays of labeling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]  # of any precision
Singles: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Pixels: TypeAlias = npt.NDArray[np.uint8]

_BLOCK = 1 << 16  # values, 512 KiB in float64: what a core keeps at hand


def softmax(values: Floats, temperature: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Floats:
    """Turn values / temperature into positive shares of 1 over the last axis, the classes.

    Args:
        values: cosines or logits, (…, C).
        temperature: above 0.
        dtype: to compute in; float32 where there are many patches.
    """
    # in place: four arrays of every view's shares would be most of what labeling holds
    shares: Floats = values.astype(dtype, copy=False) / temperature
    shares -= shares.max(axis=-1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


def split_rows(count: int, width: int, most: int = _BLOCK) -> Iterator[slice]:
    """All of `count` rows in slices of at most `most` values, `width` a row, or of one row."""
    step = max(1, most // max(1, width))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
