"""The CLIP of a run: chosen once, and opened again by every process that makes parts with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from typing import get_args

from cdul_edge.clip.choices import Precision
from cdul_edge.clip.models import load_clip
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.encode.choose_encoder import choose_encoder
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.open_encoder import Wish, open_encoder
from cdul_edge.labelling.encode.sample import read_sample
from cdul_edge.labelling.plan import LabelPlan, describe_differences
from cdul_edge.labels.settings import ClipRun
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console


@dataclass(frozen=True)
class ChosenClip:
    """What a run's cosines depend on besides the pictures; small, and it travels to processes.

    Attributes:
        model: the CLIP, its precision, and what runs it.
        texts: (C, D) unit vectors of the classes.
        temperature: of the model, 1 / logit_scale.
        vectors_per_view: of its encoder.
    """

    model: ClipRun
    texts: Floats
    temperature: float
    vectors_per_view: int


def choose_clip(
    plan: LabelPlan, before: ClipRun | None, console: Console
) -> tuple[ImageEncoder, ChosenClip]:
    """Load what was asked for, or what the labels in the folder were begun with.

    Args:
        plan: what to label.
        before: of the labels in the folder; None where they are of no use.
        console: is told what a trial found, and of sentences that are longer than CLIP reads.

    Raises:
        CdulEdgeError: as `load_clip` and `choose_encoder`.
    """
    request = plan.request
    clip = load_clip(request.clip, request.pretrained, seed=request.seed)
    description, temperature = clip.description, clip.temperature
    encoder = choose_encoder(
        clip, _wish(plan, before), plan.prompts, partial(_sample, plan), console
    )
    texts = encoder.embed_texts(plan.prompts, console)
    model = ClipRun(**asdict(description), precision=encoder.precision, encoder=encoder.library)
    return encoder, ChosenClip(model, texts, temperature, encoder.vectors_per_view)


def reopen_clip(plan: LabelPlan, chosen: ChosenClip, console: Console) -> ImageEncoder:
    """Load in another process, perhaps on another machine, what `choose_clip` chose.

    Raises:
        CdulEdgeError: it is another model here, or cannot run so.
    """
    request = plan.request
    clip = load_clip(request.clip, request.pretrained, seed=request.seed)
    description = clip.description
    precision = next(known for known in get_args(Precision) if known == chosen.model.precision)
    wish = replace(_wish(plan, None), encoder=chosen.model.encoder, precision=precision)
    encoder = open_encoder(clip, wish, console)
    found = ClipRun(**asdict(description), precision=encoder.precision, encoder=encoder.library)
    if found != chosen.model:
        raise CdulEdgeError(
            f"{request.clip} is another CLIP here than where this run began: "
            f"{describe_differences(asdict(chosen.model), asdict(found))}: give every machine the "
            "same weights and packages"
        )
    return encoder


def _wish(plan: LabelPlan, before: ClipRun | None) -> Wish:
    request = plan.request
    return Wish(
        encoder=request.encoder,
        kind=plan.settings.kind,
        device=request.device,
        precision=request.precision,
        threads=request.threads,
        views=plan.about_pictures * request.chosen_views.count,
        kept=before.encoder if before is not None else None,
        kept_precision=before.precision if before is not None else None,
    )


def _sample(plan: LabelPlan, encoder: ImageEncoder, views: int) -> Pixels:
    preprocess = encoder.preprocess(plan.settings.fit)
    reader = PictureReader(plan.source.files, plan.request.chosen_views, preprocess)
    given = chain.from_iterable(map(plan.source.part, plan.parts))
    return read_sample(reader, given, views)
