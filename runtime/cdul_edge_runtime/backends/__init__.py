"""What runs the graph. A backend is small: pixels in, scores out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import numpy.typing as npt


class Backend(Protocol):
    """Runs one loaded model; `infer` may be called from several threads at once."""

    @property
    def name(self) -> str:
        """What runs it, with its version, such as "onnxruntime 1.31.1, CPUExecutionProvider"."""

    @property
    def input_shape(self) -> tuple[int, int]:
        """(height, width) px of the pictures that `infer` takes."""

    @property
    def class_count(self) -> int:
        """C, the width of the scores."""

    @property
    def max_batch(self) -> int | None:
        """Most pictures that one `infer` takes; None where nothing limits it."""

    @property
    def device_memory_mib(self) -> float | None:
        """Memory held on an accelerator, in MiB; None where it has none or does not tell."""

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Score pictures.

        Args:
            images: (N, H, W, 3) uint8 RGB of the model's size, N >= 1.

        Returns:
            (N, C) float32 in [0, 1].

        Raises:
            DeviceError: the device failed, such as out of memory.
            CdulEdgeError: more than `max_batch` pictures, or the backend was closed.
        """

    def close(self) -> None:
        """Give memory and threads back; calling it again does nothing.

        It may come while `infer` runs in other threads: those end first, or keep what they need.
        It never raises for a device that failed.
        """


@contextmanager
def closed_on_error(backend: Backend) -> Iterator[None]:
    """Close a backend that nobody will get to see, whatever ends the block."""
    try:
        yield
    except BaseException:
        backend.close()
        raise


def run_once(backend: Backend) -> None:
    """Score one empty picture: what is made at the first call is made now."""
    backend.infer(np.zeros((1, *backend.input_shape, 3), dtype=np.uint8))
