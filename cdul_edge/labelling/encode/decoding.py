"""Processes that read, cut and resize pictures into memory shared with the encoder.

They import numpy and Pillow only, so they start in a fraction of a second. A batch of pictures is
decoded into one slot of shared memory, which the encoder reads without a copy and then releases.

They are plain child processes on pipes, not `multiprocessing`, which would import the main program
(and with it torch) into each; and they end by themselves when their pipe does, however the parent
died.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.encode.views import Views, cut_views
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

Pixels = npt.NDArray[np.uint8]

MAX_BATCH_PICTURES = 256
LONGEST_REASON = 200
_MEMORY_FOLDER = "/dev/shm"
WORKER = "cdul_edge.labelling.encode.decode_worker"


@dataclass(frozen=True)
class Work:
    """A batch of pictures to decode, and the part of the store that it belongs to."""

    part: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Decoded:
    """A decoded batch; `pixels` is valid until the batch is released.

    Attributes:
        pixels: (M, 1 + R, S, S, 3) uint8 of the M pictures without a reason, in order.
        sizes: (width_px, height_px) of every picture of the batch; (0, 0) where unreadable.
        reasons: why a picture could not be read, else None.
    """

    work: Work
    slot: int
    pixels: Pixels
    sizes: tuple[tuple[int, int], ...]
    reasons: tuple[str | None, ...]


@dataclass(frozen=True)
class DecodingPlan:
    """What every worker knows: where pictures lie and what to make of them."""

    root: Path
    views: Views
    preprocess: Preprocess
    batch_pictures: int

    @property
    def slot_shape(self) -> tuple[int, int, int, int, int]:
        """(pictures, views, height, width, channels) of one shared batch."""
        side = self.preprocess.height_px
        return self.batch_pictures, self.views.count, side, side, 3

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a worker; `from_dict` reads them back."""
        return {
            "root": str(self.root),
            "views": self.views.to_dict(),
            "preprocess": self.preprocess.to_dict(),
            "batch_pictures": self.batch_pictures,
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> DecodingPlan:
        """Read what `to_dict` wrote."""
        return cls(
            Path(fields["root"]),
            Views(**fields["views"]),
            Preprocess.from_dict(fields["preprocess"]),
            fields["batch_pictures"],
        )


@dataclass(frozen=True)
class Outcome:
    """What became of a batch's pictures; the fields of `Decoded`."""

    sizes: tuple[tuple[int, int], ...]
    reasons: tuple[str | None, ...]


def decode_batch(plan: DecodingPlan, paths: Sequence[str], slot: Pixels) -> Outcome:
    """Decode each picture once and write its views into `slot`, packed without gaps."""
    sizes: list[tuple[int, int]] = []
    reasons: list[str | None] = []
    filled = 0
    for path in paths:
        try:
            image = open_image(plan.root / path, path)
            cut_views(image, plan.views, plan.preprocess, slot[filled])
        except ImageError as error:
            sizes.append((0, 0))
            reasons.append(error.reason[:LONGEST_REASON])
        else:
            filled += 1
            sizes.append(image.size)
            reasons.append(None)
    return Outcome(tuple(sizes), tuple(reasons))


class Decoder:
    """Decodes batches ahead of their use, in order; close it, or use `open_decoder`."""

    def __init__(self, plan: DecodingPlan, workers: int, held_slots: int) -> None:
        """`held_slots`: how many decoded batches the consumer may hold at once."""
        self._plan = plan
        count = held_slots + max(1, 2 * workers)  # one in work and one ready for each worker
        self._memory = _allocate(count * int(np.prod(plan.slot_shape)))
        self._slots = as_slots(self._memory, plan)
        self._free = deque(range(count))
        self._workers = [_Worker(plan, self._memory) for _ in range(workers)]

    def batches(self, works: Iterable[Work]) -> Iterator[Decoded]:
        """Decode in order; each batch's memory must be given back with `release`."""
        todo = enumerate(works)
        pending: deque[tuple[int, Work, int]] = deque()
        ahead = max(1, 2 * len(self._workers))
        while True:
            # No more than one unread answer a worker when we write to it: answers fit their pipe
            # then, and neither side can wait for the other.
            while (
                len(pending) < ahead and self._free and (following := next(todo, None)) is not None
            ):
                turn, work = following
                slot = self._free.popleft()
                if self._workers:
                    self._worker(turn).send(work, slot)
                pending.append((turn, work, slot))
            if not pending:
                return
            turn, work, slot = pending.popleft()
            if self._workers:
                outcome = self._worker(turn).receive(work)
            else:
                outcome = decode_batch(self._plan, work.paths, self._slots[slot])
            readable = sum(reason is None for reason in outcome.reasons)
            pixels = self._slots[slot][:readable]
            yield Decoded(work, slot, pixels, outcome.sizes, outcome.reasons)

    def release(self, batch: Decoded) -> None:
        """Give the batch's memory back."""
        self._free.append(batch.slot)

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.end()
        self._memory.close()

    def _worker(self, turn: int) -> _Worker:
        # results are used in order, so turns are as good as a queue
        return self._workers[turn % len(self._workers)]


@contextmanager
def open_decoder(plan: DecodingPlan, workers: int, held_slots: int) -> Iterator[Decoder]:
    """A decoder whose workers end with the block; 0 workers decode in this process."""
    decoder = Decoder(plan, workers, held_slots)
    try:
        yield decoder
    finally:
        decoder.close()


def as_slots(memory: IO[bytes], plan: DecodingPlan) -> Pixels:
    """The shared memory as (slots, *slot_shape) uint8; a change is seen by all processes."""
    flat: Pixels = np.frombuffer(mmap.mmap(memory.fileno(), 0), dtype=np.uint8)
    return flat.reshape(-1, *plan.slot_shape)


class _Worker:
    def __init__(self, plan: DecodingPlan, memory: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "cdul_edge.labelling.encode.decode_worker",
                str(memory.fileno()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[memory.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the parent, which ends us
        )
        self._write(plan.to_dict())

    def send(self, work: Work, slot: int) -> None:
        self._write({"paths": work.paths, "slot": slot})

    def receive(self, work: Work) -> Outcome:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise CdulEdgeError(
                f"a decoding process died (exit code {self._process.wait()}) at a picture between "
                f"{work.paths[0]!r} and {work.paths[-1]!r}: if it was killed for its memory, give "
                "fewer --workers, or leave out what is too large"
            )
        found = json.loads(line)
        sizes = tuple((width, height) for width, height in found["sizes"])
        return Outcome(sizes, tuple(found["reasons"]))

    def end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:  # it died before it read all that was sent
                continue
        self._process.kill()  # it may be in the middle of pictures that nobody wants any more
        self._process.wait()

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # `receive` tells it, with the exit code


def _allocate(size: int) -> IO[bytes]:
    """A file without a name, in memory where there is room; it goes when the last process does."""
    roomy = Path(_MEMORY_FOLDER).is_dir() and shutil.disk_usage(_MEMORY_FOLDER).free > 2 * size
    folder = _MEMORY_FOLDER if roomy else None
    memory: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (Decoder.close does)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(memory.fileno(), 0, size)  # full is an error now, not a crash later
    else:
        memory.truncate(size)
    return memory
