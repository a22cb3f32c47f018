"""Ctrl-C while TensorRT works, which swallows whatever is raised in its callbacks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.library import TensorRT


@dataclass
class Stop:
    """Whether the user wants the build to end."""

    asked: bool = False


@contextmanager
def deferred_interrupt() -> Iterator[Stop]:
    """Keep Ctrl-C until the block has ended, and raise it then; a second one ends the process.

    Raises:
        KeyboardInterrupt: in place of whatever else the block raised, where Ctrl-C was pressed.
    """
    stop = Stop()

    if not callable(signal.getsignal(signal.SIGINT)):  # ignored, as by nohup
        yield stop
        return

    def remember(number: int, frame: object) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    try:
        before = signal.signal(signal.SIGINT, remember)
    except ValueError:  # only the main thread hears signals
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
        if stop.asked:
            raise KeyboardInterrupt


def attach_stop(trt: TensorRT, config: api.IBuilderConfig, stop: Stop) -> object:
    """Let the builder end at its next step once that is asked for; 8.6 builds to its end.

    Returns:
        what must live until the build is over.
    """
    base: Any = api.optional(trt, "IProgressMonitor")
    if base is None:
        return None

    class Monitor(base):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            base.__init__(self)  # pybind11 wants its own, not super()'s, to have run

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            pass

        def phase_finish(self, phase_name: str) -> None:
            pass

        def step_complete(self, phase_name: str, step: int) -> bool:
            return not stop.asked

    monitor = Monitor()
    api.set_optional(config, "progress_monitor", monitor)
    return monitor
