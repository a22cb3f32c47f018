"""Batches that a device computes while others are decoded, brought there and stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge_runtime.errors import CdulEdgeError

# Batches that a GPU has before it beside the one whose vectors are fetched.
AHEAD = 2


@dataclass(frozen=True)
class Queued:
    """Vectors that a device may still be computing.

    Attributes:
        vectors: on the CPU, to be read once they are written.
        written: when that is; None where they are.
    """

    vectors: Tensor
    written: torch.cuda.Event | None = None

    @classmethod
    def of(cls, vectors: Tensor) -> Queued:
        """Have them copied to the CPU as soon as they are there."""
        if vectors.device.type != "cuda":
            return cls(vectors)
        copied = torch.empty(vectors.shape, dtype=vectors.dtype, pin_memory=True)
        copied.copy_(vectors, non_blocking=True)
        # waits asleep: decoding needs the core
        written = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        written.record()
        return cls(copied, written)

    def fetch(self) -> Floats:
        """The vectors, once they are written.

        Raises:
            CdulEdgeError: some are not finite.
        """
        if self.written is not None:
            self.written.synchronize()
        if not bool(torch.isfinite(self.vectors).all()):
            raise CdulEdgeError(
                "CLIP's embeddings hold NaN or infinity: its weights are damaged, or the precision "
                "is too low for it; try --precision fp32"
            )
        found: Floats = self.vectors.numpy()
        return found


def bring_pixels(pieces: Sequence[Pixels], device: str) -> Tensor:
    """Pieces of a batch, (M, V, S, S, 3) uint8 each, as (B, S, S, 3) on the device.

    A GPU gets them from pinned memory, from which it copies by itself.
    """
    flat = [torch.from_numpy(piece.reshape(-1, *piece.shape[2:])) for piece in pieces]
    if device != "cuda":
        return flat[0] if len(flat) == 1 else torch.cat(flat)
    shape = (sum(map(len, flat)), *flat[0].shape[1:])
    pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
    return torch.cat(flat, out=pinned).to(device, non_blocking=True)


def stream_queued(
    queue: Callable[[Sequence[Pixels]], Queued], decoded: Iterable[Decoded]
) -> Iterator[tuple[Decoded, Floats]]:
    """What was decoded with its vectors, in order; `AHEAD` batches are queued before one is taken.

    At most AHEAD + 1 batches are held: those queued, and the one that is put together or given out.

    Args:
        queue: has the device embed the pieces of a batch.
        decoded: pieces, the last of each batch marked as its end.
    """
    waiting: deque[tuple[list[Decoded], Queued]] = deque()
    pieces: list[Decoded] = []
    for piece in decoded:
        pieces.append(piece)
        if piece.ends_batch:
            waiting.append((pieces, queue([one.pixels for one in pieces])))
            pieces = []
        if len(waiting) > AHEAD:
            yield from _take(*waiting.popleft())
    while waiting:
        yield from _take(*waiting.popleft())


def _take(pieces: Sequence[Decoded], queued: Queued) -> Iterator[tuple[Decoded, Floats]]:
    vectors, start = queued.fetch(), 0
    for piece in pieces:
        end = start + len(piece.pixels)
        yield piece, vectors[start:end]
        start = end
