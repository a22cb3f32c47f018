"""What `cdul-edge label` does with pictures once CLIP is loaded, without the folder around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from cdul_edge.clip.files import ClipDescription
from cdul_edge.labelling import LabelRequest
from cdul_edge.labelling.choose_clip import ChosenClip
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.plan import LabelPlan, make_settings
from cdul_edge.labelling.score_part import open_scorer
from cdul_edge.labels.settings import ClipRun
from cdul_edge.sources.open_source import list_files
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.images import PictureList


def open_filler(
    request: LabelRequest,
    pictures: PictureList,
    prompts: Prompts,
    encoder: ImageEncoder,
    clip: ClipDescription,
) -> tuple[Callable[[], None], int]:
    """A function that makes every part in the folder of the request, and how many there are."""
    settings = make_settings(request)
    source = list_files(pictures.root, pictures.paths, settings.part_pictures)
    plan = LabelPlan(request, prompts, source, settings)
    model = ClipRun(**asdict(clip), precision=encoder.precision, encoder=encoder.library)
    chosen = ChosenClip(model, encoder.embed_texts(prompts), 1.0, encoder.vectors_per_view)

    def fill() -> None:
        with open_scorer(plan, encoder, chosen, SilentConsole()) as scorer:
            for _ in scorer.score_parts(range(len(plan.parts))):
                pass

    return fill, len(plan.parts)
