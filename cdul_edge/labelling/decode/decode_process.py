"""A decoding process, seen from both ends of its pipes.

The parent sends pickles: the reader and the shape of the shared memory, then pictures and a slot
for each batch. The child answers each batch with its `StoredPicture`s, and with what the resizer
had to say, which the parent says once for all children; the pixels go into the memory.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import IO

from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.decode.shared_memory import SharedSlots
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.host.child_python import child_command, child_environment
from cdul_edge_runtime.pictures import resizer

_PROGRAM = """
import sys
from cdul_edge.labelling.decode.decode_process import serve
serve(int(sys.argv[1]))
"""


class ProcessEnded(Exception):
    """The process is gone; the text says how."""


class DecodeProcess:
    """The parent's end."""

    def __init__(self, reader: PictureReader, slots: SharedSlots) -> None:
        descriptor = slots.file.fileno()
        self._process = subprocess.Popen(
            child_command(_PROGRAM, str(descriptor)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
            env=child_environment(),
            start_new_session=True,  # Ctrl-C is for the parent, which ends us
        )
        self._writer: _Writer | None = None
        self._write((reader, slots.array.shape))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def send(self, pictures: Sequence[SourcePicture], slot: int, first: int = 0) -> None:
        """Ask for a batch, from place `first` of a slot on."""
        if self._writer is None and any(picture.content is not None for picture in pictures):
            self._writer = _Writer(self._write)
        (self._writer or self._write)((pictures, slot, first))

    def receive(self) -> tuple[StoredPicture, ...]:
        """The answer to the first batch that has none yet.

        Raises:
            ProcessEnded: there will be none.
            CdulEdgeError: where the pictures lie, nothing can be read.
        """
        assert self._process.stdout is not None
        try:
            found: tuple[StoredPicture, ...] | CdulEdgeError
            found, said = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError, ValueError) as error:  # ValueError: it was closed
            raise ProcessEnded(f"exit code {self._process.wait()}") from error
        for about, line in said.items():
            resizer.say_once(about, line)
        if isinstance(found, CdulEdgeError):
            raise found
        return found

    def end(self) -> None:
        """Kill it; it may be in the middle of pictures that nobody needs any more."""
        self._process.kill()
        self._process.wait()
        if self._writer is not None:
            self._writer.end()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # it died before it read all that was sent
                pipe.close()

    def _write(self, message: object) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # `receive` tells it, with the exit code
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()


class _Writer:
    """Writes to a process that reads when it has time; a pipe does not hold pictures' bytes.

    Without the thread, whoever encodes would wait for whoever decodes.
    """

    def __init__(self, write: Callable[[object], None]) -> None:
        self._messages: SimpleQueue[object] = SimpleQueue()
        self._thread = Thread(target=self._run, args=[write], daemon=True)
        self._thread.start()

    def __call__(self, message: object) -> None:
        """Write it after those before."""
        self._messages.put(message)

    def end(self) -> None:
        """Wait for the thread; the process is dead, so no write can block."""
        self._messages.put(None)
        self._thread.join()

    def _run(self, write: Callable[[object], None]) -> None:
        while (message := self._messages.get()) is not None:
            write(message)


def serve(descriptor: int) -> None:
    """The child's end: answer until the parent closes the pipe, or is gone."""
    with open(descriptor, "r+b", buffering=0) as memory:
        try:
            _answer(sys.stdin.buffer, sys.stdout.buffer, memory)
        except (EOFError, BrokenPipeError):
            sys.stderr.close()


def _answer(requests: IO[bytes], answers: IO[bytes], memory: IO[bytes]) -> None:
    reader, shape = pickle.load(requests)
    slots = SharedSlots.attach(memory, shape)
    warnings.simplefilter("ignore", CdulEdgeWarning)  # the parent hears of them, and says them
    while True:
        given, slot, first = pickle.load(requests)
        found: tuple[StoredPicture, ...] | CdulEdgeError
        try:
            found = reader.read_batch(given, slots.array[slot][first:])
        except CdulEdgeError as error:  # a store that does not answer is no fault of pictures
            found = CdulEdgeError(str(error))
        pickle.dump((found, resizer.said()), answers)
        answers.flush()
