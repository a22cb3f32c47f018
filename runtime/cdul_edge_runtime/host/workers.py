"""Jobs in processes of their own, a few at once: one that dies takes no other with it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import connection
from typing import Any, Generic, TypeVar

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.child_python import child_command, child_environment

Job = TypeVar("Job")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Death:
    """A process that ended in the middle of its job; its traceback, if any, is on stderr."""

    exit_code: int | None

    def __str__(self) -> str:
        if self.exit_code is not None and self.exit_code < 0:
            return f"its process was killed by signal {-self.exit_code}: too little memory, perhaps"
        return f"its process ended with exit code {self.exit_code}; the traceback above says why"


@dataclass(frozen=True)
class _Refusal:
    """What the user can fix, raised in a worker and raised again here."""

    error: CdulEdgeError | OSError


@dataclass
class _Worker(Generic[Job]):
    process: subprocess.Popen[bytes]
    pipe: connection.Connection
    life: int
    job: Job

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.pipe.close()
        os.close(self.life)


def run_in_workers(
    function: Callable[[Job], Answer], jobs: Iterable[Job], *, workers: int
) -> Generator[tuple[Job, Answer | Death]]:
    """Run `function` on each job, and yield jobs with their answers as they end.

    A worker runs one job after another, so that it imports what it needs once. Left early, by an
    exception (Ctrl-C) or a caller that stops asking, every worker is ended at once.

    Args:
        function: picklable, as jobs and answers must be, and not of `__main__`. Workers are new
            processes: a fork of one that runs threads (PyTorch's, for one) can deadlock.
        jobs: what to run it on.
        workers: processes at once.

    Raises:
        CdulEdgeError, OSError: as the function raised it; any other exception is a `Death`.
    """
    waiting = deque(jobs)
    busy: list[_Worker[Job]] = []
    try:
        while waiting and len(busy) < workers:
            busy.append(_start(function, waiting.popleft()))
        while busy:
            ready = connection.wait([worker.pipe for worker in busy])
            for worker in [one for one in busy if one.pipe in ready]:
                job, answer = worker.job, _receive(worker)
                if isinstance(answer, _Refusal):
                    raise answer.error
                busy.remove(worker)
                if waiting and not isinstance(answer, Death):
                    worker.job = waiting.popleft()
                    worker.pipe.send(worker.job)
                    busy.append(worker)
                else:
                    worker.end()
                    if waiting:
                        busy.append(_start(function, waiting.popleft()))
                yield job, answer
    finally:
        for worker in busy:
            worker.end()


def map_in_workers(
    function: Callable[[Job], Answer], jobs: Iterable[Job], *, workers: int, chunk: int = 1
) -> Iterator[Answer]:
    """Run `function` on each job, and yield the answers in the order of the jobs.

    Args:
        function: as for `run_in_workers`.
        jobs: what to run it on.
        workers: processes at once; 1 is this process.
        chunk: jobs that are handed over together.

    Raises:
        CdulEdgeError, OSError: as the function raised it, or a worker that died.
    """
    if workers == 1:
        yield from map(function, jobs)
        return
    chunks = enumerate(_split(jobs, chunk))
    found: dict[int, list[Answer]] = {}
    expected = 0
    with closing(run_in_workers(partial(_run_chunk, function), chunks, workers=workers)) as answers:
        for (index, _), answer in answers:
            if isinstance(answer, Death):
                raise CdulEdgeError(f"a part of the work was lost: {answer}")
            found[index] = answer
            while expected in found:
                yield from found.pop(expected)
                expected += 1


def _split(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    iterator = iter(jobs)
    while part := list(islice(iterator, size)):
        yield part


def _run_chunk(function: Callable[[Job], Answer], numbered: tuple[int, list[Job]]) -> list[Answer]:
    return [function(job) for job in numbered[1]]


_SERVE = """
import sys
from cdul_edge_runtime.host.workers import serve
serve(int(sys.argv[1]), int(sys.argv[2]))
"""


def _start(function: Callable[[Job], Answer], job: Job) -> _Worker[Job]:
    ours, theirs = connection.Pipe()
    watched, held = os.pipe()  # it ends with this process, however that ends
    try:
        process = subprocess.Popen(
            child_command(_SERVE, str(theirs.fileno()), str(watched)),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), watched],
            env=child_environment(),
            start_new_session=True,  # Ctrl-C is the parent's to answer
        )
    finally:
        theirs.close()  # the worker's death is then the end of our side
        os.close(watched)
    worker = _Worker(process, ours, held, job)
    with suppress(BrokenPipeError):  # it died at once: `_receive` tells it
        ours.send(function)
        ours.send(job)
    return worker


def _receive(worker: _Worker[Job]) -> Any:
    """The worker's answer, whatever type the function gives; a `Death` or a `_Refusal`."""
    try:
        return worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        return Death(worker.process.wait())


def serve(pipe_number: int, watched: int) -> None:
    """Answer jobs in a worker until the pipe ends.

    Args:
        pipe_number: file descriptor of the pipe that brings the function, then jobs.
        watched: file descriptor of a pipe that ends when the parent does.
    """
    threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()
    pipe: connection.Connection = connection.Connection(pipe_number)
    try:
        function = pipe.recv()
        while True:
            job = pipe.recv()
            try:
                answer = function(job)
            except (CdulEdgeError, OSError) as error:
                answer = _Refusal(error)
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _end_with_parent(watched: int) -> None:
    """End at once with the parent: killed, it cannot stop its workers, and they would wait."""
    os.read(watched, 1)
    os._exit(1)
