"""Worker processes that read, cut and resize pictures into memory shared with the encoder.

They import numpy and Pillow only, so they start in a fraction of a second. A batch of pictures is
decoded into one slot of shared memory, which the encoder reads without a copy and then releases.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.views import Views, cut_views
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.images import open_image
from cdul_edge_runtime.preprocess import Preprocess

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Work:
    """A batch of pictures to decode, and the part of the store that it belongs to."""

    part: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Decoded:
    """A decoded batch; `pixels` is valid until the slot is released.

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
        side = self.preprocess.height_px
        return self.batch_pictures, self.views.count, side, side, 3


_Outcome = tuple[tuple[tuple[int, int], ...], tuple[str | None, ...]]


def decode_batch(plan: DecodingPlan, paths: Sequence[str], slot: Pixels) -> _Outcome:
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
            reasons.append(error.reason)
        else:
            filled += 1
            sizes.append(image.size)
            reasons.append(None)
    return tuple(sizes), tuple(reasons)


class Decoder:
    """Decodes batches ahead of their use, in order; close it, or use `open_decoder`."""

    def __init__(self, plan: DecodingPlan, workers: int, held_slots: int) -> None:
        """`held_slots`: how many decoded batches the consumer may hold at once."""
        self._plan = plan
        slots = held_slots + (workers + 1 if workers else 1)
        size = slots * int(np.prod(plan.slot_shape))
        context = multiprocessing.get_context("spawn")
        # an unlinked file in /dev/shm, or in the temporary folder where that is too small
        shared = context.RawArray(ctypes.c_uint8, size)
        self._slots = _as_slots(shared, plan)
        self._free = list(range(slots))
        self._pool = (
            ProcessPoolExecutor(
                workers, mp_context=context, initializer=_start_worker, initargs=(shared, plan)
            )
            if workers
            else None
        )

    def batches(self, works: Iterable[Work]) -> Iterator[Decoded]:
        """Decode in order; each batch's slot must be given back with `release`."""
        todo = iter(works)
        pending: deque[tuple[Work, int, Future[_Outcome]]] = deque()
        while True:
            while self._free and (work := next(todo, None)) is not None:
                slot = self._free.pop()
                pending.append((work, slot, self._submit(work, slot)))
            if not pending:
                return
            work, slot, future = pending.popleft()
            sizes, reasons = _result(future, work)
            readable = sum(reason is None for reason in reasons)
            yield Decoded(work, slot, self._slots[slot][:readable], sizes, reasons)

    def release(self, batch: Decoded) -> None:
        """Give the batch's memory back."""
        self._free.append(batch.slot)

    def close(self) -> None:
        """End the workers."""
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, work: Work, slot: int) -> Future[_Outcome]:
        if self._pool:
            return self._pool.submit(_decode_in_worker, work.paths, slot)
        future: Future[_Outcome] = Future()
        future.set_result(decode_batch(self._plan, work.paths, self._slots[slot]))
        return future


@contextmanager
def open_decoder(plan: DecodingPlan, workers: int, held_slots: int) -> Iterator[Decoder]:
    """A decoder whose workers end with the block; 0 workers decode in this process."""
    decoder = Decoder(plan, workers, held_slots)
    try:
        yield decoder
    finally:
        decoder.close()


def _result(future: Future[_Outcome], work: Work) -> _Outcome:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise CdulEdgeError(
            f"a decoding process died at or after {work.paths[0]!r}, most likely killed for its "
            "memory: give fewer --workers, or leave out the picture that is too large"
        ) from error


def _as_slots(shared: Any, plan: DecodingPlan) -> Pixels:
    flat: Pixels = np.frombuffer(shared, dtype=np.uint8)
    return flat.reshape(-1, *plan.slot_shape)


_worker: tuple[Pixels, DecodingPlan] | None = None


def _start_worker(shared: Any, plan: DecodingPlan) -> None:
    global _worker
    _worker = (_as_slots(shared, plan), plan)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Without it, workers of a parent that was killed with -9 would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _decode_in_worker(paths: tuple[str, ...], slot: int) -> _Outcome:
    assert _worker is not None
    slots, plan = _worker
    return decode_batch(plan, paths, slots[slot])
