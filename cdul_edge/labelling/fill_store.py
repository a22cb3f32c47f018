"""Filling the similarity store with CLIP: everything that was not there before."""

from __future__ import annotations

from collections.abc import Sequence

from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.labelling.encode.console import Advance, Talk
from cdul_edge.labelling.encode.decoding import DecodingPlan
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labelling.request import Kind
from cdul_edge.labelling.store.parts import slice_parts
from cdul_edge.labelling.store.resume import (
    count_skipped,
    drop_damage,
    remaining_parts,
    remove_labels,
    remove_leftovers,
    write_pictures,
)
from cdul_edge.labelling.store.settings import digest_settings, require_same_settings
from cdul_edge.labelling.store.similarities import (
    ErrorLimit,
    ScoringJob,
    choose_batch_pictures,
    score_embeddings,
    score_pictures,
)
from cdul_edge.labelling.task import LabelTask, Manifest
from cdul_edge.labelling.write_labels import Effort
from cdul_edge.labels.folder import write_manifest
from cdul_edge_runtime.host.machine import usable_cores

ENCODERS: dict[Kind, type[ClipEncoder]] = {"snippets": ClipEncoder, "patches": PatchEncoder}


def fill_store(
    task: LabelTask, existing: Manifest | None, effort: Effort, talk: Talk, *, replace: bool
) -> Manifest:
    """Make every part that is missing; nothing is written before CLIP is loaded and fits.

    Args:
        task: what to label.
        existing: the manifest of the folder to go on with.
        effort: counts the pictures and seconds.
        talk: to the user.
        replace: remove the labels that are in the folder first.

    Returns:
        The manifest as it was written, still marked unfinished.
    """
    request = task.request
    clip = load_clip(request.clip, request.pretrained, seed=request.seed)
    encoder = ENCODERS[request.scoring.kind](
        clip, request.device, request.precision, request.threads
    )
    model = {**clip.description, "precision": encoder.precision}
    if existing is not None:
        require_same_settings(str(request.out), existing["model"], model)
    job = _plan_job(task, model, encoder)
    views = request.views.count * encoder.vectors_a_view
    content = _describe(task, job, model, clip, views)
    if existing is not None and request.repair:
        drop_damage(request.out, existing)
    if replace:
        talk.say(f"starting anew in {request.out}")
        remove_labels(request.out)
    remove_leftovers(request.out)
    write_manifest(request.out, content, [])
    write_pictures(request.out, task.pictures.paths)
    _fill_parts(task, job, encoder, effort, talk)
    return content


def _plan_job(task: LabelTask, model: Manifest, encoder: ClipEncoder) -> ScoringJob:
    behind = {**task.picture_settings, "model": model, "pictures": task.inputs["paths_sha256"]}
    return ScoringJob(
        folder=task.request.out,
        pictures=task.pictures,
        parts=slice_parts(len(task.pictures), task.settings["part_pictures"]),
        texts=encoder.embed_texts(task.prompts),
        embedding_digest=digest_settings(behind),
        digest=digest_settings({**behind, **task.text_settings}),
        keep_embeddings=task.settings["keep_embeddings"],
    )


def _describe(
    task: LabelTask, job: ScoringJob, model: Manifest, clip: LoadedClip, views: int
) -> Manifest:
    return {
        "complete": False,
        "settings": task.picture_settings,
        **task.text_settings,
        "model": model,
        "similarities": {
            "kind": task.request.scoring.kind,
            "views": views,
            "snippets": "all",
            "parts": len(job.parts),
            "model_temperature": clip.temperature,
            "cached_temperature": None,
            "digest": job.digest,
        },
        "inputs": task.inputs,
    }


def _fill_parts(
    task: LabelTask, job: ScoringJob, encoder: ClipEncoder, effort: Effort, talk: Talk
) -> None:
    from_embeddings, from_pictures = remaining_parts(
        job.folder,
        len(job.parts),
        digest=job.digest,
        embedding_digest=job.embedding_digest if job.keep_embeddings else None,
        repair=task.request.repair,
    )
    done = sorted(set(range(len(job.parts))) - {*from_embeddings, *from_pictures})
    if done:
        talk.say(f"{job.count(done)} of {len(job.pictures)} pictures are labelled already")
    if from_embeddings:
        talk.say(
            f"{job.count(from_embeddings)} pictures have kept embeddings: only CLIP's text side is "
            "run for them"
        )
    with talk.progress(len(job.pictures), job.count(done)) as advance:
        score_embeddings(job, from_embeddings, advance)
        if from_pictures:
            behind = sorted({*done, *from_embeddings})
            with effort.scoring(job.count(from_pictures)):
                _score(task, job, encoder, from_pictures, behind, advance)


def _score(
    task: LabelTask,
    job: ScoringJob,
    encoder: ClipEncoder,
    missing: Sequence[int],
    behind: Sequence[int],
    advance: Advance,
) -> None:
    request = task.request
    fitting = choose_batch_pictures(encoder.image_size_px, request.views.count, encoder.device)
    score_pictures(
        job,
        missing,
        encoder,
        DecodingPlan(
            root=task.pictures.root,
            views=request.views,
            preprocess=encoder.preprocess(request.views.fit),
            batch_pictures=request.batch_pictures or fitting,
        ),
        workers=usable_cores() if request.workers is None else request.workers,
        errors=ErrorLimit(request.max_errors, count_skipped(job.folder, behind)),
        advance=advance,
    )
