"""What the actors answer, through a thread: whoever waits for Ray must be able to stop."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from cdul_edge.labelling.engines.ray_actor import Answer, Job, PartActor
from cdul_edge.labelling.engines.ray_pool import Pool
from cdul_edge.labelling.engines.ray_starts import Starts

if TYPE_CHECKING:
    from ray.actor import ActorHandle

# Ray Data looks about once a second whether it is to stop.
STOP_S = 10.0
_stopping = threading.Event()  # a process has one connection to Ray, and one run


class GaveUpError(Exception):
    """Ray's own work failed, and not a part."""


class ActorAnswers:
    """What the actors answer, through a thread: the caller never waits for Ray without an end."""

    def __init__(
        self, parts: Sequence[int], pool: Pool, job: Job, starts: ActorHandle[Starts]
    ) -> None:
        self._queue: SimpleQueue[Answer | BaseException] = SimpleQueue()
        _stopping.clear()
        self._thread = threading.Thread(
            target=self._run, args=(parts, pool, job, starts), daemon=True, name="ray.data"
        )
        self._thread.start()

    def __enter__(self) -> ActorAnswers:
        return self

    def __exit__(self, *error: object) -> None:
        _stopping.set()
        self._thread.join(STOP_S)

    def take(self, seconds: float = 1.0) -> Answer | None:
        """The next answer; None where none comes in time."""
        try:
            found = self._queue.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(found, BaseException):
            raise GaveUpError(describe(found)) from found
        return found

    def _run(self, parts: Sequence[int], pool: Pool, job: Job, starts: ActorHandle[Starts]) -> None:
        import ray

        ray.data.DataContext.get_current().custom_execution_callback_classes = [
            cast(Any, StopOnRequest)
        ]
        try:
            rows = ray.data.from_items(
                [{"part": part} for part in parts], override_num_blocks=len(parts)
            ).map_batches(
                PartActor,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=pool.actors),
                fn_constructor_args=(job, starts),
                num_cpus=pool.cpus,
                num_gpus=pool.gpus,  # and whatever dies is started and asked again, for ever
            )
            for row in rows.iter_rows():
                self._queue.put(pickle.loads(row["answer"]))
        except BaseException as error:  # noqa: BLE001 - raised by `take`
            self._queue.put(error)


class _Stopped(Exception):
    """Nobody waits for the answers any more."""


class StopOnRequest:
    """As Ray Data's `ExecutionCallback`: what it raises ends the execution.

    Ray Data makes it from its class, which it also sends to the actors.
    """

    def before_execution_starts(self, executor: object) -> None:
        """Nothing to do."""

    def on_execution_step(self, executor: object) -> None:
        """End it."""
        if _stopping.is_set():
            raise _Stopped

    def after_execution_succeeds(self, executor: object) -> None:
        """Nothing to do."""

    def after_execution_fails(self, executor: object, error: Exception) -> None:
        """Nothing to do."""


def describe(error: BaseException) -> str:
    """What happened, of the chain of errors and hints that Ray makes of it."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__
