"""`cdul-edge label` on pictures: the order of the steps."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from cdul_edge.labelling.finish import LabelSummary, finish_labels
from cdul_edge.labelling.options import LabelRequest
from cdul_edge.labelling.prompts import Prompts, read_prompts
from cdul_edge.labelling.resume import (
    count_skipped,
    find_existing,
    read_pictures,
    refuse_damage,
    remaining_parts,
    remove_labels,
    remove_leftovers,
    write_pictures,
)
from cdul_edge.labelling.settings import (
    differing,
    digest_paths,
    digest_settings,
    require_same_pictures,
    require_same_settings,
)
from cdul_edge.labelling.store import slice_parts
from cdul_edge.labelling.talk import Talk
from cdul_edge.labels_folder import write_manifest
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.images import PictureList, find_images
from cdul_edge_runtime.machine import usable_cores

if TYPE_CHECKING:
    from cdul_edge.labelling.encoder import ClipEncoder

PART_PICTURES = 512
# What kept embeddings make cheap to change: only the text side of CLIP runs again.
TEXT_SETTINGS = ("classes", "prompts", "templates")

Manifest = dict[str, Any]


def label_pictures(request: LabelRequest, talk: Talk) -> LabelSummary:
    """Make, or finish, the similarity store of some pictures, then their pseudo-labels.

    CLIP (and torch) is loaded only when similarities are missing.

    Raises:
        CdulEdgeError: wrong input; nothing was written.
        LabelsError: `request.out` holds labels made otherwise, or damaged ones.
    """
    started = perf_counter()
    prompts = read_prompts(request.classes, request.templates)
    pictures = find_images(request.images)
    existing = find_existing(request.out)
    settings = _settings(request, prompts, existing)
    replaced = False
    if existing is not None:
        try:
            _require_same(request, existing, settings, pictures)
        except LabelsError:
            if not request.force:
                raise
            replaced, existing = True, None
    if existing is not None and _answers(existing, settings) and not request.repair:
        refuse_damage(request.out, existing)
        talk.say("the similarities are complete: CLIP is not run")
        content, scored, seconds = existing, 0, 0.0
    else:
        content, scored, seconds = _fill_store(
            request, prompts, pictures, existing, settings, replaced, talk
        )
    content["inputs"] = _inputs(request, pictures)
    return finish_labels(
        request.out,
        content,
        pictures.root,
        request.scoring,
        talk,
        started=started,
        scored=scored,
        scoring_seconds=seconds,
    )


def _settings(request: LabelRequest, prompts: Prompts, existing: Manifest | None) -> Manifest:
    stored = existing["settings"] if existing else {}
    return {
        **request.picture_settings(),
        # both concern the store, not its numbers: what is there decides when nothing is asked
        "keep_embeddings": request.keep_embeddings or stored.get("keep_embeddings", False),
        "part_pictures": request.part_pictures or stored.get("part_pictures", PART_PICTURES),
        "classes": list(prompts.classes),
        "prompts": prompts.to_dict(),
        "templates": list(prompts.templates),
    }


def _stored_settings(existing: Manifest) -> Manifest:
    return {**existing["settings"], **{key: existing.get(key) for key in TEXT_SETTINGS}}


def _require_same(
    request: LabelRequest, existing: Manifest, settings: Manifest, pictures: PictureList
) -> None:
    stored = _stored_settings(existing)
    if existing["settings"].get("keep_embeddings") and not request.force:
        stored |= {key: settings[key] for key in TEXT_SETTINGS}
    require_same_settings(str(request.out), stored, settings)
    if existing["inputs"]["paths_sha256"] != digest_paths(pictures.paths):
        require_same_pictures(str(request.out), read_pictures(request.out), pictures.paths)


def _answers(existing: Manifest, settings: Manifest) -> bool:
    return existing["complete"] and not differing(_stored_settings(existing), settings)


def _fill_store(
    request: LabelRequest,
    prompts: Prompts,
    pictures: PictureList,
    existing: Manifest | None,
    settings: Manifest,
    replaced: bool,
    talk: Talk,
) -> tuple[Manifest, int, float]:
    """Returns the unfinished manifest, how many pictures CLIP saw, and the seconds it took."""
    from cdul_edge.clip_models import load_clip
    from cdul_edge.labelling.encoder import ClipEncoder
    from cdul_edge.labelling.scoring import ScoringJob

    clip = load_clip(request.clip, request.pretrained, seed=request.seed)
    encoder = ClipEncoder(clip, request.device, request.precision, request.threads)
    model = {**clip.description, "precision": encoder.precision}
    if existing is not None:
        require_same_settings(str(request.out), existing["model"], model)
    pictures_by = {k: v for k, v in settings.items() if k not in TEXT_SETTINGS}
    behind = {**pictures_by, "model": model, "paths": digest_paths(pictures.paths)}
    job = ScoringJob(
        folder=request.out,
        pictures=pictures,
        parts=slice_parts(len(pictures), settings["part_pictures"]),
        texts=encoder.embed_texts(prompts),
        embedding_digest=digest_settings(behind),
        digest=digest_settings({**behind, **settings}),
        keep_embeddings=settings["keep_embeddings"],
    )
    content: Manifest = {
        "complete": False,
        "settings": pictures_by,
        **{key: settings[key] for key in TEXT_SETTINGS},
        "model": model,
        "similarities": {
            "views": request.views.count,
            "snippets": "all",
            "parts": len(job.parts),
            "model_temperature": clip.temperature,
            "cached_temperature": None,
            "digest": job.digest,
        },
        "inputs": _inputs(request, pictures),
    }
    if replaced:
        remove_labels(request.out)
    remove_leftovers(request.out)
    write_manifest(request.out, content, [])
    write_pictures(request.out, pictures.paths)
    before = perf_counter()
    scored = _fill_parts(request, job, encoder, talk)
    return content, scored, perf_counter() - before


def _fill_parts(request: LabelRequest, job: Any, encoder: ClipEncoder, talk: Talk) -> int:
    from cdul_edge.labelling.decoding import DecodingPlan
    from cdul_edge.labelling.scoring import (
        ErrorLimit,
        choose_batch_pictures,
        score_embeddings,
        score_pictures,
    )

    from_embeddings, from_pictures = remaining_parts(
        request.out,
        len(job.parts),
        digest=job.digest,
        embedding_digest=job.embedding_digest if job.keep_embeddings else None,
        repair=request.repair,
    )
    done = set(range(len(job.parts))) - {*from_embeddings, *from_pictures}
    behind = sum(len(job.parts[index]) for index in done)
    if behind:
        talk.say(f"{behind} of {len(job.pictures)} pictures are labelled already")
    plan = DecodingPlan(
        root=job.pictures.root,
        views=request.views,
        preprocess=encoder.preprocess(request.views.fit),
        batch_pictures=request.batch_pictures
        or choose_batch_pictures(encoder.image_size_px, request.views.count, encoder.device),
    )
    with talk.progress(len(job.pictures), behind) as advance:
        if from_embeddings:
            talk.say("embeddings are kept: only the text side of CLIP is run for their pictures")
            score_embeddings(job, from_embeddings, advance)
        if from_pictures:
            already = count_skipped(request.out, sorted({*done, *from_embeddings}))
            score_pictures(
                job,
                from_pictures,
                encoder,
                plan,
                workers=usable_cores() if request.workers is None else request.workers,
                errors=ErrorLimit(request.max_errors, already),
                advance=advance,
            )
    return sum(len(job.parts[index]) for index in from_pictures)


def _inputs(request: LabelRequest, pictures: PictureList) -> Manifest:
    return {
        "images": str(request.images.resolve()),
        "root": str(pictures.root),
        "pictures": len(pictures),
        "paths_sha256": digest_paths(pictures.paths),
    }
