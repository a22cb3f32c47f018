"""One part of the store, from a plan and a number: what every engine calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from time import perf_counter
from typing import Any

import numpy as np
import torch

from cdul_edge.labelling.arrays import Floats
from cdul_edge.labelling.choose_clip import ChosenClip
from cdul_edge.labelling.decode.decoding import Decoded, Decoder, Work
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.encode.encoder import choose_batch_pictures
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.plan import LabelPlan
from cdul_edge.labelling.product import product
from cdul_edge.labelling.store.earlier import EarlierRows, find_earlier
from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    Part,
    part_name,
    read_head,
    read_part,
    write_part,
)
from cdul_edge.labelling.store.pictures import StoredPicture, digest_paths
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.machine import usable_cores

# Is told of pictures as they come from CLIP, or from a decoder that could not read them.
Seen = Callable[[Sequence[StoredPicture]], None]


class PartScorer:
    """Makes parts: each is what (plan, number) says, whoever makes it and whatever was made before.

    What is expensive is opened once, when it is needed, and kept over parts: the decoding
    processes, and the list of rows that an earlier run made. Close it, or use `open_scorer`.

    Args:
        plan: what to label.
        encoder: the CLIP.
        clip: what the plan's cosines depend on besides.
        console: for notes.
    """

    def __init__(
        self, plan: LabelPlan, encoder: ImageEncoder, clip: ChosenClip, console: Console
    ) -> None:
        self._plan = plan
        self._encoder = encoder
        self._texts = clip.texts
        self._digest = plan.cosine_digest(clip.model)
        self._embedding_digest = plan.embedding_digest(clip.model)
        self._console = console
        self._decoder: Decoder | None = None

    @cached_property
    def earlier(self) -> EarlierRows:
        """Rows of pictures that are the same as in an earlier run."""
        plan = self._plan
        column = "embeddings" if plan.settings.keep_embeddings else "cosines"
        return find_earlier(plan.request.out, plan.source, column)

    def needs_clip(self, index: int) -> bool:
        """Whether a part has pictures that are to be decoded and encoded."""
        earlier = self.earlier
        is_known = bool(earlier.places) and all(map(earlier.has, self._plan.source.part(index)))
        return not (is_known or self._is_kept(index))

    def score_part(self, index: int, seen: Seen | None = None) -> PartReport:
        """Make and write one part.

        Raises:
            CdulEdgeError: CLIP or decoding cannot go on; nothing of the part was written.
        """
        (report,) = self.score_parts([index], seen)
        return report

    def score_parts(self, indices: Iterable[int], seen: Seen | None = None) -> Iterator[PartReport]:
        """Make and write parts in order; the next one's pictures are decoded meanwhile.

        Args:
            indices: which.
            seen: is told of each batch as it comes from CLIP.
        """
        started = perf_counter()
        for needs_clip, some in groupby(indices, self.needs_clip):
            for report in self._encode(some, seen) if needs_clip else map(self._recall, some):
                now = perf_counter()
                yield replace(report, seconds=now - started)
                started = now

    def close(self) -> None:
        """End the decoding processes; another part would start them again."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _is_kept(self, index: int) -> bool:
        """Whether the embeddings of a part are there."""
        plan = self._plan
        if not plan.settings.keep_embeddings:
            return False
        try:
            head = read_head(plan.request.out / part_name(index, EMBEDDINGS_FOLDER))
        except LabelsError:
            return False
        if head.pictures is None:  # an earlier version's: what it is of was looked at
            return True
        paths = plan.paths(index)  # of shards, what changed was set aside
        same = paths is None or head.pictures == digest_paths(paths)
        return same and head.settings == self._embedding_digest

    def _recall(self, index: int) -> PartReport:
        """Make a part of which every picture is known."""
        plan, out = self._plan, self._plan.request.out
        if not self._is_kept(index):
            nothing = Part((), np.empty((0, 0, 0), self._dtype))
            return self._write(index, nothing, plan.source.paths(index))
        kept = read_part(out / part_name(index, EMBEDDINGS_FOLDER), "embeddings", plan.paths(index))
        cosines = self._cosines(kept)
        written = write_part(out / part_name(index), cosines, "cosines", self._digest)
        return replace(PartReport.of(index, cosines, written), from_embeddings=True)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return torch.empty(0, dtype=self._encoder.dtype).numpy().dtype

    def _write(self, index: int, fresh: Part, paths: Sequence[str]) -> PartReport:
        """Write a part of fresh pictures and earlier rows, embeddings first."""
        out = self._plan.request.out
        embeddings = None
        if self._plan.settings.keep_embeddings:
            part = self.earlier.fill(paths, fresh)
            file = out / part_name(index, EMBEDDINGS_FOLDER)
            embeddings = write_part(file, part, "embeddings", self._embedding_digest)
            cosines = self._cosines(part)
        else:
            cosines = self.earlier.fill(paths, self._cosines(fresh) if fresh.pictures else fresh)
        written = write_part(out / part_name(index), cosines, "cosines", self._digest)
        return PartReport.of(index, cosines, written, embeddings, encoded=len(fresh.values))

    def _encode(self, indices: Iterable[int], seen: Seen | None) -> Iterator[PartReport]:
        """Decode and encode what is not known; each part is written when it is full."""
        reading = _Reading()
        encoded = self._stream(reading.stop_at_fault(self._cut_batches(indices, reading)))
        try:
            for index, batches in groupby(encoded, key=lambda found: found[0].part):
                part = self._gather(batches, seen)
                yield self._write(index, part, reading.finish(index))
            if reading.fault is not None:
                raise reading.fault
        except BaseException:
            self.close()  # its processes are still at work on what nobody waits for
            raise

    def _stream(self, works: Iterable[Work]) -> Iterator[tuple[Decoded, Floats]]:
        decoder = self._open_decoder()
        for batch, vectors in self._encoder.stream(decoder.batches(works)):
            yield batch, vectors
            decoder.release(batch)

    def _open_decoder(self) -> Decoder:
        if self._decoder is None:
            plan, encoder, piece = self._plan, self._encoder, self._piece_pictures
            views, workers = plan.request.chosen_views, plan.request.workers
            self._decoder = Decoder(
                PictureReader(plan.source.files, views, encoder.preprocess(views.fit)),
                piece,
                usable_cores() if workers is None else workers,
                encoder.held_batches * -(-self._batch_pictures // piece),
                self._console,
            )
        return self._decoder

    @property
    def _batch_pictures(self) -> int:
        request, encoder = self._plan.request, self._encoder
        return request.batch_pictures or choose_batch_pictures(
            encoder.image_size_px, request.chosen_views.count, encoder.device
        )

    @property
    def _piece_pictures(self) -> int:
        return self._encoder.piece_pictures(self._batch_pictures)

    def _cut_batches(self, indices: Iterable[int], reading: _Reading) -> Iterator[Work]:
        """Batches never cross parts, so a resumed part is made of the same batches as any other."""
        size, piece = self._batch_pictures, self._piece_pictures
        for index in indices:
            pictures = self._fresh(index, reading.paths.setdefault(index, []))
            while batch := tuple(islice(pictures, size)):
                for place in range(0, len(batch), piece):
                    ends = place + piece >= len(batch)
                    yield Work(index, batch[place : place + piece], ends)
            reading.whole.add(index)

    def _fresh(self, index: int, paths: list[str]) -> Iterator[SourcePicture]:
        for picture in self._plan.source.part(index):
            paths.append(picture.path)
            if not self.earlier.has(picture):
                yield picture

    def _gather(self, batches: Iterator[tuple[Decoded, Floats]], seen: Seen | None) -> Part:
        pictures: list[StoredPicture] = []
        vectors: list[Floats] = []
        for batch, found in batches:
            pictures += batch.pictures
            vectors.append(found.reshape(*found.shape[:2], self._texts.shape[1]))
            if seen is not None:
                seen(batch.pictures)
        return Part(tuple(pictures), np.concatenate(vectors, axis=0))

    def _cosines(self, embeddings: Part) -> Part:
        # of float16, the cosines of what is stored: kept embeddings give the same ones again
        pictures, views, width = embeddings.values.shape
        flat = embeddings.values.reshape(-1, width).astype(np.float32, copy=False)
        cosines = product(flat, self._texts.T).reshape(pictures, views, len(self._texts))
        return Part(embeddings.pictures, cosines)


@dataclass
class _Reading:
    """How far a source was read ahead; where it fails, the parts before are still made.

    Attributes:
        paths: of all pictures of each part, those of earlier rows too.
        whole: parts that were read to their end.
        fault: what the source failed with.
    """

    paths: dict[int, list[str]] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    fault: CdulEdgeError | None = None

    def stop_at_fault(self, works: Iterator[Work]) -> Iterator[Work]:
        """Works up to the one whose picture cannot be had."""
        try:
            yield from works
        except CdulEdgeError as error:
            self.fault = error

    def finish(self, part: int) -> list[str]:
        """Paths of a part of which every picture is decoded; raises the fault if it is there."""
        if self.fault is not None and part not in self.whole:
            raise self.fault
        self.whole.discard(part)
        return self.paths.pop(part)


@contextmanager
def open_scorer(
    plan: LabelPlan, encoder: ImageEncoder, clip: ChosenClip, console: Console
) -> Iterator[PartScorer]:
    """A scorer whose decoding processes end with the block."""
    scorer = PartScorer(plan, encoder, clip, console)
    try:
        yield scorer
    finally:
        scorer.close()
