"""The expensive half: pictures in, parts of the similarity store out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, groupby

import numpy as np
import torch

from cdul_edge.clip.models import load_clip
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded, Work, open_decoder
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.encode.choose_encoder import choose_encoder
from cdul_edge.labelling.encode.encoder import choose_batch_pictures
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.open_encoder import Wish
from cdul_edge.labelling.encode.sample import read_sample
from cdul_edge.labelling.plan import LabelPlan, describe_differences, refuse_differences
from cdul_edge.labelling.store.changes import Changes
from cdul_edge.labelling.store.earlier import EarlierRows, find_earlier
from cdul_edge.labelling.store.folder import (
    count_skipped,
    finish_parts,
    remove_labels,
    set_aside,
    sort_parts,
    start_folder,
)
from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    Part,
    part_name,
    read_part,
    write_part,
)
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labelling.write_labels import Effort
from cdul_edge.labels.manifest import LabelsManifest
from cdul_edge.labels.settings import ClipRun
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Advance, Console
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.pictures.resizer import PILLOW, extend_record


def fill_store(
    plan: LabelPlan,
    existing: LabelsManifest | None,
    changes: Changes,
    effort: Effort,
    console: Console,
) -> LabelsManifest:
    """Make every part that is missing; nothing is written before CLIP is loaded and fits.

    Args:
        plan: what to label.
        existing: the manifest that is in the folder.
        changes: what happened to its pictures since, and whether anything of it is of use.
        effort: counts the pictures and seconds.
        console: for lines and progress.

    Returns:
        The manifest as it was written, still marked unfinished.
    """
    request, out = plan.request, plan.request.out
    clip = load_clip(request.clip, request.pretrained, seed=request.seed)
    before = None if existing is None or changes.everything else existing.model
    encoder = choose_encoder(
        clip, _wish(plan, before), plan.prompts, partial(_sample, plan), console
    )
    texts = encoder.embed_texts(plan.prompts, console)
    model = ClipRun(
        **asdict(clip.description), precision=encoder.precision, encoder=encoder.library
    )
    if before is not None:
        refuse_differences(out, describe_differences(asdict(before), asdict(model)))
    views = request.chosen_views.count * encoder.vectors_per_view
    resizers = _record_resizer(existing, changes, plan, console)
    manifest = replace(plan.manifest(model, views, clip.temperature), resizers=resizers)
    behind = plan.embedding_digest(model)
    if existing is not None and request.repair and not changes.everything:
        existing.drop_damage(out)
    if changes.everything:
        console.say(f"starting over in {out}")
        remove_labels(out)
    start_folder(out, manifest, plan.pictures.paths)
    for index in () if changes.list_differs else changes.stale_parts:
        set_aside(out, index)
    filler = StoreFiller(plan, encoder, texts, manifest.similarities.digest, effort, console)
    filler.fill(behind)
    finish_parts(out)
    return manifest


def _record_resizer(
    existing: LabelsManifest | None, changes: Changes, plan: LabelPlan, console: Console
) -> tuple[str, ...]:
    """What resized the pictures of the store, this process included where it will read some."""
    if existing is None or changes.everything:
        return extend_record((), console.say)
    before = existing.resizers or (PILLOW,)
    whole = existing.complete and not (changes.list_differs or changes.stale_parts)
    if whole and not plan.request.repair:  # only texts are new
        return before
    return extend_record(before, console.say)


def _wish(plan: LabelPlan, before: ClipRun | None) -> Wish:
    request = plan.request
    return Wish(
        encoder=request.encoder,
        kind=plan.settings.kind,
        device=request.device,
        precision=request.precision,
        threads=request.threads,
        views=len(plan.pictures) * request.chosen_views.count,
        kept=before.encoder if before is not None else None,
        kept_precision=before.precision if before is not None else None,
    )


def _sample(plan: LabelPlan, encoder: ImageEncoder, views: int) -> Pixels:
    preprocess = encoder.preprocess(plan.settings.fit)
    reader = PictureReader(plan.pictures.root, plan.request.chosen_views, preprocess)
    return read_sample(reader, plan.pictures.paths, views)


class ErrorLimit:
    """Stops a run that cannot read too many of its pictures."""

    def __init__(self, limit: int | None, already: int = 0) -> None:
        self._limit = limit
        self.count = already

    def add(self, pictures: Sequence[StoredPicture]) -> None:
        """Count; raises `CdulEdgeError` naming the picture that was too many."""
        for picture in pictures:
            if picture.reason is None:
                continue
            self.count += 1
            if self._limit is not None and self.count > self._limit:
                raise CdulEdgeError(
                    f"{self.count} pictures could not be read, more than --max-errors "
                    f"{self._limit}; the last is {picture.path!r}, which {picture.reason}: "
                    "finished parts are kept"
                )


@dataclass(frozen=True)
class StoreFiller:
    """Makes parts, with a CLIP that is loaded.

    Attributes:
        plan: what to label.
        encoder: the CLIP.
        texts: (C, D) unit vectors.
        digest: of the settings behind the cosines.
        effort: counts what was encoded.
        console: for lines and progress.
    """

    plan: LabelPlan
    encoder: ImageEncoder
    texts: Floats
    digest: str
    effort: Effort
    console: Console

    def fill(self, embedding_digest: str) -> None:
        """Make the parts that are missing, from kept embeddings where there are some."""
        plan, out = self.plan, self.plan.request.out
        keep = plan.settings.keep_embeddings
        from_embeddings, from_pictures = sort_parts(
            out,
            len(plan.parts),
            digest=self.digest,
            embedding_digest=embedding_digest if keep else None,
            repair=plan.request.repair,
        )
        done = sorted(set(range(len(plan.parts))) - {*from_embeddings, *from_pictures})
        if done:
            self.console.say(
                f"{plan.count(done)} of {len(plan.pictures)} pictures are labeled already"
            )
        if from_embeddings:
            self.console.say(
                f"{plan.count(from_embeddings)} pictures have kept embeddings: only CLIP's text "
                "side is run for them"
            )
        total, behind = len(plan.pictures), plan.count(done)
        with self.console.progress("labeling", total, done=behind) as advance:
            for index in from_embeddings:
                file = out / part_name(index, EMBEDDINGS_FOLDER)
                kept = read_part(file, "embeddings", plan.paths(index))
                write_part(out / part_name(index), self._cosines(kept), "cosines", self.digest)
                advance(len(plan.parts[index]))
            if from_pictures:
                skipped = count_skipped(out, [*done, *from_embeddings])
                limit = ErrorLimit(plan.request.max_errors, skipped)
                self._encode(from_pictures, embedding_digest, limit, advance)

    def _encode(
        self, parts: Sequence[int], embedding_digest: str, errors: ErrorLimit, advance: Advance
    ) -> None:
        """Decode and encode; each part is written when it is full."""
        plan, out = self.plan, self.plan.request.out
        column = "embeddings" if plan.settings.keep_embeddings else "cosines"
        earlier = find_earlier(out, plan.pictures.root, column)
        if earlier.places:
            same = sum(path in earlier.places for i in parts for path in plan.paths(i))
            self.console.say(f"{same} pictures are the same as before: CLIP is not run for them")
        fresh = [i for i in parts if not earlier.places.keys() >= set(plan.paths(i))]
        empty = Part((), torch.empty((0, 0, 0), dtype=self.encoder.dtype).numpy())
        known = ((index, empty) for index in sorted(set(parts) - set(fresh)))
        encoded = self._encoded_parts(fresh, earlier, errors, advance) if fresh else ()
        for index, part in chain(known, encoded):
            self._write(index, part, earlier, embedding_digest)
            advance(len(plan.parts[index]) - len(part.pictures))

    def _write(self, index: int, fresh: Part, earlier: EarlierRows, embedding_digest: str) -> None:
        paths, out = self.plan.paths(index), self.plan.request.out
        if self.plan.settings.keep_embeddings:
            part = earlier.fill(paths, fresh)
            file = out / part_name(index, EMBEDDINGS_FOLDER)
            write_part(file, part, "embeddings", embedding_digest)
            cosines = self._cosines(part)
        else:
            cosines = earlier.fill(paths, self._cosines(fresh) if fresh.pictures else fresh)
        write_part(out / part_name(index), cosines, "cosines", self.digest)

    def _encoded_parts(
        self, parts: Sequence[int], earlier: EarlierRows, errors: ErrorLimit, advance: Advance
    ) -> Iterator[tuple[int, Part]]:
        """The pictures of each part that are not known from earlier, of parts that have some."""
        request = self.plan.request
        views = request.chosen_views
        reader = PictureReader(self.plan.pictures.root, views, self.encoder.preprocess(views.fit))
        fitting = choose_batch_pictures(
            self.encoder.image_size_px, views.count, self.encoder.device
        )
        size = request.batch_pictures or fitting
        workers = usable_cores() if request.workers is None else request.workers
        piece = self.encoder.piece_pictures(size)
        held = self.encoder.held_batches * -(-size // piece)
        works = self._cut_batches(parts, earlier, size, piece)
        with (
            self.effort.encoding(),
            open_decoder(reader, piece, workers, held, self.console) as decoder,
        ):

            def encoded() -> Iterator[tuple[Decoded, Floats]]:
                for batch, vectors in self.encoder.stream(decoder.batches(works)):
                    yield batch, vectors
                    decoder.release(batch)

            for index, batches in groupby(encoded(), key=lambda found: found[0].part):
                yield index, self._gather(batches, errors, advance)

    def _cut_batches(
        self, parts: Sequence[int], earlier: EarlierRows, size: int, piece: int
    ) -> Iterator[Work]:
        """Batches never cross parts, so a resumed part is made of the same batches as any other."""
        for index in parts:
            paths = tuple(p for p in self.plan.paths(index) if p not in earlier.places)
            for start in range(0, len(paths), size):
                batch = paths[start : start + size]
                for place in range(0, len(batch), piece):
                    ends = place + piece >= len(batch)
                    yield Work(index, batch[place : place + piece], ends)

    def _gather(
        self, batches: Iterator[tuple[Decoded, Floats]], errors: ErrorLimit, advance: Advance
    ) -> Part:
        pictures: list[StoredPicture] = []
        vectors: list[Floats] = []
        for batch, found in batches:
            pictures += batch.pictures
            vectors.append(found.reshape(*found.shape[:2], self.texts.shape[1]))
            errors.add(batch.pictures)
            advance(len(batch.pictures))
            self.effort.encoded += len(found)
        return Part(tuple(pictures), np.concatenate(vectors, axis=0))

    def _cosines(self, embeddings: Part) -> Part:
        # of float16, the cosines of what is stored: kept embeddings give the same ones again
        pictures, views, width = embeddings.values.shape
        flat = embeddings.values.reshape(-1, width).astype(np.float32, copy=False)
        cosines = (flat @ self.texts.T).reshape(pictures, views, len(self.texts))
        return Part(embeddings.pictures, cosines)
