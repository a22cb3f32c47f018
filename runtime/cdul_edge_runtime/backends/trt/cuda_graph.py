"""A batch recorded as a CUDA graph: one launch in place of one for every layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.errors import CdulEdgeError


class RecordedBatch:
    """At most one recorded batch of one stream; replaying it queues the same work again.

    Attributes:
        wanted: whether to record at all.
        fault: None, or why nothing is recorded although it was wanted; no further try is made.
    """

    def __init__(self, cuda: CudaRuntime, stream: int, *, wanted: bool) -> None:
        """Nothing is recorded yet."""
        self._cuda, self._stream = cuda, stream
        self._runnable = 0
        self.wanted = wanted
        self.fault: str | None = None

    def ready(self, enqueue: Callable[[], None]) -> bool:
        """Whether there is a batch to replay; records what `enqueue` queues where there is none."""
        if not self._runnable and self.wanted and self.fault is None:
            self._record(enqueue)
        return bool(self._runnable)

    def launch(self) -> None:
        """Queue the recorded batch."""
        self._cuda.launch(self._runnable, self._stream)

    def drop(self) -> None:
        """Forget it; before anything changes that it was recorded from."""
        runnable, self._runnable = self._runnable, 0
        if runnable:
            self._cuda.destroy_runnable(runnable)

    def _record(self, enqueue: Callable[[], None]) -> None:
        graph = 0
        try:
            self._cuda.begin_capture(self._stream)
            try:
                enqueue()
            finally:  # whatever happened: a stream that records runs nothing any more
                graph = self._cuda.end_capture(self._stream)
            self._runnable = self._cuda.instantiate(graph)
        except CdulEdgeError as error:
            self.fault = str(error)
        finally:
            if graph:
                with suppress(CdulEdgeError):
                    self._cuda.destroy_graph(graph)
