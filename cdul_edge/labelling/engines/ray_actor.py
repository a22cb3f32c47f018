"""What runs in an actor: a number comes in, the part is written, and its report goes out."""

from __future__ import annotations

import os
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from cdul_edge.clip.choices import Library
from cdul_edge.labelling.engines.versions import Versions
from cdul_edge.labelling.part_report import PartReport
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.host.console import Advance

# Makes the function that makes parts; runs in the actor, once, and loads CLIP there.
OpenScorer = Callable[["ListConsole"], Callable[[int], PartReport]]


@dataclass(frozen=True)
class Job:
    """What an actor is made from; small, as Ray keeps it for actors that start again.

    Attributes:
        versions: of the driver.
        scorer: a pickled `OpenScorer`, not looked at where the versions differ.
    """

    versions: Versions
    library: Library
    scorer: bytes


@dataclass(frozen=True)
class Answer:
    """What an actor says of a part.

    Attributes:
        part: its number.
        where: the machine and process that made it.
        report: of a part that was written.
        error: why it was not.
        trace: where in the actor the error came from.
        said: lines for the console.
        warned: warnings for it.
    """

    part: int
    where: str
    report: PartReport | None = None
    error: BaseException | None = None
    trace: str = ""
    said: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


@dataclass
class ListConsole:
    """Keeps lines, which go to the driver with the next answer."""

    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Keep a line."""
        self.said.append(line)

    def warn(self, line: str) -> None:
        """Keep a warning."""
        self.warned.append(line)

    def progress(
        self, doing: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> AbstractContextManager[Advance]:
        """Show nothing."""
        return nullcontext(lambda units: None)


class PartActor:
    """Makes parts for Ray Data's `map_batches`; CLIP is loaded with the first one.

    Nothing can fail before a part is begun, so that whatever ends the process is known by a part.
    """

    def __init__(self, job: Job, starts: Any) -> None:
        self._job = job
        self._starts = starts
        self._console = ListConsole()
        self._score: Callable[[int], PartReport] | None = None

    def __call__(self, batch: Mapping[str, Sequence[int]]) -> dict[str, list[bytes]]:
        """The pickled answer to a batch of one part."""
        return {"answer": [pickle.dumps(self._answer(int(part))) for part in batch["part"]]}

    def _answer(self, part: int) -> Answer:
        import ray

        context = ray.get_runtime_context()
        where = f"{_host_name()} (process {os.getpid()})"
        begun, ended = ray.get(self._starts.begin.remote(part, context.get_node_id(), where))
        if not begun:
            return Answer(part, where, error=_too_many_deaths(part, ended))
        if ended is not None:
            self._console.warn(f"the actor on {ended} ended at part {part}: another one makes it")
        report, error, trace = None, None, ""
        try:
            with self._hearing_warnings():
                if self._score is None:
                    self._score = self._open(where)
                report = self._score(part)
        except Exception as caught:  # noqa: BLE001 - it is the driver's to raise
            error, trace = as_picklable(caught), traceback.format_exc()
        self._starts.end.remote(part)
        said, warned = tuple(self._console.said), tuple(self._console.warned)
        self._console.said.clear()
        self._console.warned.clear()
        return Answer(part, where, report, error, trace, said, warned)

    def _open(self, where: str) -> Callable[[int], PartReport]:
        job = self._job
        job.versions.refuse_others(Versions.of_this_process(job.library), where)
        open_scorer: OpenScorer = pickle.loads(job.scorer)
        return open_scorer(self._console)

    @contextmanager
    def _hearing_warnings(self) -> Iterator[None]:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", CdulEdgeWarning)
            yield
        self._console.warned += [
            str(one.message) for one in heard if issubclass(one.category, CdulEdgeWarning)
        ]


def as_picklable(error: BaseException) -> BaseException:
    """The error itself where it can travel, or its text."""
    with suppress(Exception):
        again = pickle.loads(pickle.dumps(error))
        if str(again) == str(error):
            return error
    if isinstance(error, CdulEdgeError):
        return CdulEdgeError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


def _too_many_deaths(part: int, where: str) -> CdulEdgeError:
    from cdul_edge.labelling.engines.ray_starts import MOST_DEATHS

    return CdulEdgeError(
        f"part {part} ended its actor {MOST_DEATHS} times, the last on {where}: finished parts are "
        "kept; if memory ran out there (`ray logs raylet.out`, dmesg), give fewer --actors or "
        "--batch-pictures, and run the same command again"
    )


def _host_name() -> str:
    import socket

    return socket.gethostname()
