"""The expensive half: pictures in, parts of the similarity store out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from cdul_edge.labelling.encode.decoding import (
    MAX_BATCH_PICTURES,
    Decoded,
    DecodingPlan,
    Work,
    open_decoder,
)
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    Floats,
    Part,
    part_name,
    read_part,
    write_part,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList

# Pixels a batch: for a core's caches (measured at 64 and 224 px: a third less time than batches of
# twice the size and more), or to fill a GPU.
BATCH_PIXELS = {"cpu": 700_000, "cuda": 25_000_000}


@dataclass(frozen=True)
class ScoringJob:
    """Which parts to make, and where.

    Attributes:
        folder: the labels folder.
        pictures: all of them.
        parts: places of each part's pictures in the list.
        texts: (C, D) unit vectors.
        embedding_digest, digest: of the settings behind the embeddings, and behind the cosines.
        keep_embeddings: also write the unit vectors.
    """

    folder: Path
    pictures: PictureList
    parts: Sequence[range]
    texts: Floats
    embedding_digest: str
    digest: str
    keep_embeddings: bool

    def count(self, parts: Sequence[int]) -> int:
        """Pictures of some parts."""
        return sum(len(self.parts[index]) for index in parts)

    def paths(self, part: int) -> tuple[str, ...]:
        """Paths of one part."""
        places = self.parts[part]
        return self.pictures.paths[places.start : places.stop]


class ErrorLimit:
    """Stops a run that cannot read too many of its pictures."""

    def __init__(self, limit: int | None, already: int = 0) -> None:
        self._limit = limit
        self.count = already

    def add(self, paths: Sequence[str], reasons: Sequence[str | None]) -> None:
        """Count; raises `CdulEdgeError` naming the picture that was too many."""
        for path, reason in zip(paths, reasons, strict=True):
            if reason is None:
                continue
            self.count += 1
            if self._limit is not None and self.count > self._limit:
                raise CdulEdgeError(
                    f"{self.count} pictures could not be read, more than --max-errors "
                    f"{self._limit}; the last is {path!r}, which {reason}: finished parts are kept"
                )


def score_pictures(
    job: ScoringJob,
    missing: Sequence[int],
    encoder: ClipEncoder,
    plan: DecodingPlan,
    *,
    workers: int,
    errors: ErrorLimit,
    advance: Callable[[int], None],
) -> None:
    """Decode and encode the pictures of the missing parts; each part is written when it is full."""
    works = _cut_batches(job, missing, plan.batch_pictures)
    with open_decoder(plan, workers, held_slots=encoder.streams + 1) as decoder:

        def encoded() -> Iterator[tuple[int, Decoded, Floats]]:
            for batch, vectors in encoder.stream(decoder.batches(works)):
                yield batch.work.part, batch, vectors
                decoder.release(batch)

        for index, batches in groupby(encoded(), key=itemgetter(0)):
            part = _gather(((b, v) for _, b, v in batches), job.texts.shape[1], errors, advance)
            if job.keep_embeddings:
                file = job.folder / part_name(index, EMBEDDINGS_FOLDER)
                write_part(file, part, "embeddings", job.embedding_digest)
            _write_cosines(job, index, part)


def score_embeddings(job: ScoringJob, parts: Sequence[int], advance: Callable[[int], None]) -> None:
    """Make parts from kept embeddings: other prompts, without reading a picture."""
    for index in parts:
        file = job.folder / part_name(index, EMBEDDINGS_FOLDER)
        _write_cosines(job, index, read_part(file, "embeddings", job.paths(index)))
        advance(len(job.parts[index]))


def choose_batch_pictures(image_size_px: int, views: int, device: str) -> int:
    """Whole pictures a batch, so that all of a picture's views travel together."""
    pictures = math.ceil(BATCH_PIXELS[device] / (views * image_size_px**2))
    return min(pictures, MAX_BATCH_PICTURES)


def _cut_batches(job: ScoringJob, missing: Sequence[int], size: int) -> Iterator[Work]:
    """Batches never cross parts, so a resumed part is made of the same batches as any other."""
    for index in missing:
        paths = job.paths(index)
        for start in range(0, len(paths), size):
            yield Work(index, paths[start : start + size])


def _gather(
    batches: Iterator[tuple[Decoded, Floats]],
    width: int,
    errors: ErrorLimit,
    advance: Callable[[int], None],
) -> Part:
    paths: list[str] = []
    reasons: list[str | None] = []
    sizes: list[tuple[int, int]] = []
    vectors: list[Floats] = []
    for batch, found in batches:
        paths += batch.work.paths
        reasons += batch.reasons
        sizes += batch.sizes
        vectors.append(found.reshape(*found.shape[:2], width))
        errors.add(batch.work.paths, batch.reasons)
        advance(len(batch.work.paths))
    return Part(
        tuple(paths), tuple(reasons), np.array(sizes, np.int32), np.concatenate(vectors, axis=0)
    )


def _write_cosines(job: ScoringJob, index: int, embeddings: Part) -> None:
    # of float16, the cosines of what is stored: kept embeddings give the same ones again
    pictures, views, width = embeddings.values.shape
    flat = embeddings.values.reshape(-1, width).astype(np.float32, copy=False)
    cosines = (flat @ job.texts.T).reshape(pictures, views, len(job.texts))
    part = Part(embeddings.paths, embeddings.reasons, embeddings.sizes, cosines)
    write_part(job.folder / part_name(index), part, "cosines", job.digest)
