"""Processes that read, crop and resize pictures into memory shared with the encoder.

They import numpy and Pillow only, so they start in a fraction of a second. A batch of pictures is
decoded into one slot of shared memory, which the encoder reads without a copy and then releases.

They are plain child processes on pipes, not `multiprocessing` nor torch's DataLoader: those import
the main program (and with it torch) into each, or fork a process that runs torch's threads. They
end by themselves when their pipe does, however the parent died. A picture at which one dies, as
when the system kills it for its memory, is skipped with that reason, and another takes its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.decode.decode_process import DecodeProcess, ProcessEnded
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.decode.shared_memory import SharedSlots
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

# So many pictures in a row that end their process are no pictures' fault.
MOST_DEATHS = 3


@dataclass(frozen=True)
class Work:
    """Pictures to decode at once.

    Attributes:
        part: of the store.
        ends_batch: whether the encoder's batch is whole with them.
    """

    part: int
    pictures: tuple[SourcePicture, ...]
    ends_batch: bool = True


@dataclass(frozen=True)
class Decoded:
    """A decoded batch; `pixels` is valid until the batch is released.

    Attributes:
        part: of the store.
        pictures: the batch, readable or not.
        pixels: (M, 1 + R, S, S, 3) uint8 of the M readable pictures, in order.
        ends_batch: as `Work` has it.
    """

    part: int
    pictures: tuple[StoredPicture, ...]
    pixels: Pixels
    slot: int
    ends_batch: bool = True


@dataclass(frozen=True)
class _Pending:
    work: Work
    slot: int
    process: DecodeProcess | None


class Decoder:
    """Decodes batches ahead of their use, in order; close it, or use `open_decoder`."""

    def __init__(
        self,
        reader: PictureReader,
        batch_pictures: int,
        workers: int,
        held_slots: int,
        console: Console,
    ) -> None:
        """`held_slots`: how many decoded batches the consumer may hold at once."""
        self._reader = reader
        self._ahead = max(1, 2 * workers)  # one in work and one ready for each worker
        slots = held_slots + self._ahead
        self._slots = SharedSlots.allocate((slots, *reader.shape(batch_pictures)), console)
        self._free = deque(range(slots))
        self._workers = [DecodeProcess(reader, self._slots) for _ in range(workers)]
        self._rescuer: DecodeProcess | None = None
        self._deaths = 0

    def batches(self, works: Iterable[Work]) -> Iterator[Decoded]:
        """Decode in order; each batch's memory must be given back with `release`."""
        todo = enumerate(works)
        pending: deque[_Pending] = deque()
        while True:
            # No more than one unread answer per worker when we write to it: answers fit their pipe
            # then, and neither side can wait for the other.
            while (
                len(pending) < self._ahead
                and self._free
                and (following := next(todo, None)) is not None
            ):
                pending.append(self._send(*following, self._free.popleft()))
            if not pending:
                return
            one = pending.popleft()
            pictures = self._receive(one)
            readable = sum(picture.reason is None for picture in pictures)
            pixels = self._slots.array[one.slot][:readable]
            yield Decoded(one.work.part, pictures, pixels, one.slot, one.work.ends_batch)

    def release(self, batch: Decoded) -> None:
        """Give the batch's memory back."""
        self._free.append(batch.slot)

    def close(self) -> None:
        """End the workers."""
        for process in filter(None, [*self._workers, self._rescuer]):
            process.end()
        self._slots.close()

    def _send(self, turn: int, work: Work, slot: int) -> _Pending:
        if not self._workers:
            return _Pending(work, slot, None)
        # results are used in order, so turns are as good as a queue
        place = turn % len(self._workers)
        if not self._workers[place].alive:
            self._workers[place].end()
            self._workers[place] = DecodeProcess(self._reader, self._slots)
        self._workers[place].send(work.pictures, slot)
        return _Pending(work, slot, self._workers[place])

    def _receive(self, one: _Pending) -> tuple[StoredPicture, ...]:
        if one.process is None:
            return self._reader.read_batch(one.work.pictures, self._slots.array[one.slot])
        try:
            return one.process.receive()
        except ProcessEnded:
            return self._rescue(one.work.pictures, one.slot)

    def _rescue(self, given: tuple[SourcePicture, ...], slot: int) -> tuple[StoredPicture, ...]:
        """Decode the batch of a worker that died picture by picture, to skip only the one at fault.

        A process of its own does it: those of the workers have other batches to answer.
        """
        pictures: list[StoredPicture] = []
        filled = 0
        for one in given:
            if self._rescuer is None or not self._rescuer.alive:
                self._rescuer = DecodeProcess(self._reader, self._slots)
            self._rescuer.send((one,), slot, first=filled)
            try:
                (picture,) = self._rescuer.receive()
                self._deaths = 0
            except ProcessEnded as error:
                picture = self._bury(one, error)
            filled += picture.reason is None
            pictures.append(picture)
        return tuple(pictures)

    def _bury(self, picture: SourcePicture, error: ProcessEnded) -> StoredPicture:
        assert self._rescuer is not None
        self._rescuer.end()
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise CdulEdgeError(
                f"{MOST_DEATHS} decoding processes died one after the other ({error}), the last "
                f"at {picture.path!r}: if the system killed them for their memory, give fewer "
                "--workers"
            ) from error
        content = self._reader.look(picture)
        return StoredPicture(picture.path, content=content, reason=f"killed its decoder ({error})")


@contextmanager
def open_decoder(
    reader: PictureReader, batch_pictures: int, workers: int, held_slots: int, console: Console
) -> Iterator[Decoder]:
    """A decoder whose workers end with the block; 0 workers decode in this process."""
    decoder = Decoder(reader, batch_pictures, workers, held_slots, console)
    try:
        yield decoder
    finally:
        decoder.close()
