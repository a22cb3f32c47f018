"""The encoder whose image tower another library runs; texts stay with torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch

from cdul_edge.clip.choices import Exported
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode.encoder import MAX_STREAMS, ClipEncoder
from cdul_edge.labelling.encode.exported.sessions import TowerSession, unit_vectors
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.host.prefetch import work_ahead
from cdul_edge_runtime.pictures.preprocess import Preprocess, Resize


@dataclass(frozen=True)
class Streams:
    """How many batches are encoded side by side, and on how many threads in all."""

    threads: int
    count: int

    @classmethod
    def choose(cls, threads: int | None) -> Streams:
        """As `ClipEncoder` does: a stream for each thread, up to MAX_STREAMS."""
        threads = threads or usable_cores()
        return cls(threads, min(threads, MAX_STREAMS))


@dataclass(frozen=True)
class ExportedEncoder:
    """An `ImageEncoder` on a CPU.

    Attributes:
        library: what runs the image tower.
        precision: what it computes in; vectors are normalized in float32.
        session: the tower.
        vectors_per_view: rows that it gives for each view.
        dtype: of the vectors.
        texts: has the text tower; its image tower is not asked.
        streams: batches side by side.
    """

    library: Exported
    precision: Literal["fp32", "bf16"]
    session: TowerSession
    vectors_per_view: int
    dtype: torch.dtype
    texts: ClipEncoder
    streams: Streams

    @property
    def device(self) -> Literal["cpu"]:
        """The only one."""
        return "cpu"

    @property
    def held_batches(self) -> int:
        """As `ImageEncoder` says: each stream's, and the one given out."""
        return 1 + self.streams.count

    @property
    def image_size_px(self) -> int:
        """Side of the square input."""
        return self.texts.image_size_px

    def piece_pictures(self, batch_pictures: int) -> int:
        """Whole batches: a stream takes one at a time."""
        return batch_pictures

    def preprocess(self, fit: Resize) -> Preprocess:
        """As `ClipEncoder` says; mean and deviation are in the graph."""
        return self.texts.preprocess(fit)

    def embed_texts(self, prompts: Prompts, console: Console | None = None) -> Floats:
        """As `ClipEncoder` says, in float32."""
        return self.texts.embed_texts(prompts, console)

    def embed_views(self, pixels: Pixels) -> Floats:
        """Unit vectors (M, V x `vectors_per_view`, D) of views (M, V, S, S, 3) uint8."""
        pictures, views = pixels.shape[:2]
        dtype = torch.empty(0, dtype=self.dtype).numpy().dtype
        if not pictures:
            return np.empty((0, views * self.vectors_per_view, 0), dtype)
        flat = np.ascontiguousarray(pixels).reshape(pictures * views, *pixels.shape[2:])
        vectors = unit_vectors(self.session.run(flat)).astype(dtype, copy=False)
        found: Floats = vectors.reshape(pictures, views * self.vectors_per_view, -1)
        return found

    def stream(self, batches: Iterable[Decoded]) -> Iterator[tuple[Decoded, Floats]]:
        """Embed what was decoded, in order, a batch in each stream."""
        tasks = (partial(self._embed_batch, batch) for batch in batches)
        yield from work_ahead(tasks, workers=self.streams.count, ahead=self.streams.count + 1)

    def _embed_batch(self, batch: Decoded) -> tuple[Decoded, Floats]:
        return batch, self.embed_views(batch.pixels)
