"""Runs on a GPU through memory that stays where it is from one call to the next."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np

from cdul_edge_runtime.backends.ort.api import (
    Binding,
    BindingSession,
    DeviceValue,
    Inputs,
    Scores,
)

# Idle ones that are kept: a stream of batches has one shape, and a shorter one at its end.
_KEPT = 4


@dataclass(frozen=True)
class _Slot:
    """One batch size, for one run at a time.

    Attributes:
        images: what the graph reads, on the device.
        scores: (N, C) float32 on the host, which the graph's output is copied to.
        binding: of both, made once.
    """

    images: DeviceValue
    scores: Scores
    binding: Binding


class BoundRuns:
    """Runs of one session; `infer` is safe to call from several threads, a slot each.

    A call costs one copy to the device and one back. CUDA graphs (`enable_cuda_graph`) stay off:
    a session that captures may not run in two threads and wants one shape and no operator on the
    CPU; the device "tensorrt" replays them.
    Source: onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html, "Using CUDA
    Graphs", and onnxruntime.ai/docs/performance/tune-performance/iobinding.html.
    """

    def __init__(
        self, session: BindingSession, class_count: int, device: str = "cuda", gpu: int = 0
    ) -> None:
        """Nothing is allocated before the first run.

        Args:
            session: of a graph from `images` to `scores`.
            class_count: C of its (N, C) scores.
            device: where its input shall be: "cuda", or "cpu" for a session without a GPU.
            gpu: number of the GPU.
        """
        self._idle: list[_Slot] = []  # first, so that they go before the session does
        self._session = session
        self._class_count = class_count
        self._place = (device, gpu)
        self._lock = Lock()

    def infer(self, images: Inputs) -> Scores:
        """(N, H, W, 3) to (N, C) scores, which later calls leave as they are."""
        slot = self._take(images.shape)
        slot.images.update_inplace(np.ascontiguousarray(images))
        self._session.run_with_iobinding(slot.binding)
        scores: Scores = slot.scores.copy()
        # One whose run failed is not put back: nobody knows what it holds.
        with self._lock:
            self._idle = [*self._idle, slot][-_KEPT:]
        return scores

    def _take(self, shape: tuple[int, ...]) -> _Slot:
        """An idle slot of this shape, or a new one."""
        with self._lock:
            slot = next((s for s in self._idle if tuple(s.images.shape()) == shape), None)
            if slot is not None:
                self._idle = [s for s in self._idle if s is not slot]
        return slot or self._make(shape)

    def _make(self, shape: tuple[int, ...]) -> _Slot:
        import onnxruntime

        images = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, *self._place)
        scores = np.empty((shape[0], self._class_count), np.float32)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("images", images)
        address = scores.ctypes.data
        binding.bind_output("scores", "cpu", 0, np.float32, scores.shape, address)
        return _Slot(images, scores, binding)
