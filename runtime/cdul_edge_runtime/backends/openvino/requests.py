"""Runs of one model, of several callers at a time, and a model that goes on after a failed run."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from types import ModuleType

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends.openvino.api import Compiled, InferRequest
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.forks import never_free_in_a_fork

# A thread alone leaves a task that failed in its queue, and begins with it when another model takes
# that queue over: the process crashed where its request was freed. A model that is alive keeps it.
_failed: list[tuple[Compiled, InferRequest | None]] = []


class Requests:
    """Runs a model; after a run that failed, it is compiled anew.

    OpenVINO 2026.4.1 tries again, in each later run, what it had no memory for.
    """

    def __init__(
        self, openvino: ModuleType, load: Callable[[], Compiled], callers: int = 4
    ) -> None:
        """Load the model; whatever `load` raises is raised.

        Args:
            openvino: the module.
            load: called once, and again after each run that failed.
            callers: how many requests are kept, with the memory of the batch that each saw last.
        """
        self._tensor, self._load, self._kept = openvino.Tensor, load, callers
        self._idle: list[InferRequest] = []
        self._lock, self._closed = Lock(), False
        self._compiled: Compiled | None = self._start()

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """What the model gives for (N, H, W, 3) images, N > 0; may be called by several threads.

        Raises:
            RuntimeError, MemoryError: OpenVINO's.
            CdulEdgeError: it was closed.
        """
        with self._lock:
            if self._closed:
                raise CdulEdgeError("this OpenVINO model was closed: load it again")
            compiled = self._compiled = self._compiled or self._start()
            request = self._idle.pop() if self._idle else None
        # it shares memory that it could write to, and copies what is read-only
        pixels = np.require(pixels, requirements=("C", "W"))
        try:
            request = request or compiled.create_infer_request()
            request.set_input_tensor(self._tensor(pixels, shared_memory=True))
            request.infer()
            given: npt.NDArray[np.float32] = request.get_output_tensor().data.copy()
            if len(given) != len(pixels):  # with one thread, nothing is said of what failed
                raise MemoryError(f"it gave answers for {len(given)} of them, without a word")
        except (RuntimeError, MemoryError):
            self._give_up(compiled, request)
            raise
        with self._lock:
            if self._compiled is compiled and len(self._idle) < self._kept:
                self._idle.append(request)
        return given

    def close(self) -> None:
        """Give the model back when the last run has ended; calling it twice is fine."""
        with self._lock:
            self._closed, self._compiled = True, None
            self._idle = []

    def _start(self) -> Compiled:
        compiled = self._load()
        never_free_in_a_fork(compiled)
        return compiled

    def _give_up(self, compiled: Compiled, request: InferRequest | None) -> None:
        with self._lock:
            _failed.append((compiled, request))
            if self._compiled is compiled:
                self._compiled, self._idle = None, []
