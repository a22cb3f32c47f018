"""What runs the graph. A backend is small: pixels in, scores out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class Backend(Protocol):
    """Runs one loaded model; `infer` may be called from several threads at once."""

    @property
    def name(self) -> str:
        """What runs it, with its version, such as "onnxruntime 1.31.1, CPUExecutionProvider"."""

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Score pictures.

        Args:
            images: (N, H, W, 3) uint8 RGB of the model's size, N >= 1.

        Returns:
            (N, C) float32 in [0, 1].
        """

    def close(self) -> None:
        """Give memory and threads back; `infer` is not called after it."""
