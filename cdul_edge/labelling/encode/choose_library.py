"""Which library runs CLIP's image tower where nobody says so: torch, or OpenVINO after a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from time import perf_counter
from typing import Literal

import numpy as np
import torch

from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode.exported.cached import TowerCache
from cdul_edge.labelling.encode.exported.sessions import computes_bf16
from cdul_edge.labelling.encode.exported.tower import ImageTower
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.open_encoder import (
    ENCODERS,
    LoadedTower,
    Wish,
    draw_views,
    load_tower,
    open_encoder,
)
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.encode.trial import Candidate, run_trial
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

# "auto" has OpenVINO tried where torch would take so many seconds: an export takes 5 to 30, a trial
# of what was exported before 3.
_WORTH_S = {"new": 120.0, "exported before": 20.0}
_FEWEST_VIEWS = 500
_TRIAL_S = 0.5  # of a stream's batch, by torch
_TRIAL_VIEWS = 16


def choose_library(
    clip: LoadedClip, wish: Wish, prompts: Prompts, console: Console
) -> ImageEncoder:
    """As `open_encoder`; "auto" takes OpenVINO for a new folder where a trial shows that it pays.

    Args:
        clip: is taken over.
        wish: what was asked for.
        prompts: of the classes that both must find nearest.
        console: is told of an export and of the trial.
    """
    tower = None
    if wish.encoder == "auto" and wish.kept is None:
        tower = worth_a_trial(clip, wish)
    if tower is None:
        return open_encoder(clip, wish, console)
    return _try_openvino(clip, tower, wish, prompts, console)


def worth_a_trial(clip: LoadedClip, wish: Wish) -> ImageTower | None:
    """The tower where "auto" has OpenVINO tried: it is there, and torch would take minutes."""
    on_cuda = wish.device == "cuda" or (wish.device == "auto" and torch.cuda.is_available())
    if on_cuda or wish.views < _FEWEST_VIEWS or find_spec("openvino") is None:
        return None
    if wish.precision == "fp16" or (wish.precision == "bf16" and not computes_bf16()):
        return None
    tower = ImageTower(clip, wish.kind)
    least_s = _WORTH_S["exported before" if TowerCache(tower).holds else "new"]
    return tower if wish.views * _time_a_view(tower) > least_s else None


def _try_openvino(
    clip: LoadedClip, tower: ImageTower, wish: Wish, prompts: Prompts, console: Console
) -> ImageEncoder:
    """Whichever of torch and OpenVINO is faster, of the same classes and printed with its trial."""
    precision: Literal["fp32", "bf16"] = "bf16" if wish.precision == "bf16" else "fp32"
    views = max(1, min(_TRIAL_VIEWS, int(_TRIAL_S / _time_a_view(tower))))
    loaded: LoadedTower | None = None
    try:
        loaded = load_tower(tower, "openvino", precision, wish, console)
    except CdulEdgeError as error:
        console.say(f"torch runs CLIP's image tower, as OpenVINO does not: {error}")
    plain = ENCODERS[wish.kind](clip, "cpu", wish.precision, wish.threads)
    if loaded is None:
        return plain
    texts = plain.embed_texts(replace(prompts, templates=prompts.templates[:1]))
    exported = loaded.encoder(plain)
    drawn = draw_views(views * exported.streams.count, tower.image_size_px)
    batches = np.split(drawn[:, None], exported.streams.count)
    trial = run_trial([as_candidate(one.library, one) for one in (plain, exported)], batches, texts)
    console.say(str(trial))
    if trial.chosen == plain.library:
        return plain
    clip.model.visual = torch.nn.Identity()  # its memory is of no use any more
    return exported


def as_candidate(name: str, encoder: ImageEncoder) -> Candidate:
    """An encoder as a trial runs it: in its streams."""

    def embed(batches: Sequence[Pixels]) -> list[Floats]:
        decoded = (Decoded(0, (), batch, slot=0) for batch in batches)
        return [vectors for _, vectors in encoder.stream(decoded)]

    return Candidate(name, embed)


def _time_a_view(tower: ImageTower) -> float:
    """Seconds that torch takes for one of two views, once it has seen one."""
    tower.embed(draw_views(1, tower.image_size_px))
    start = perf_counter()
    tower.embed(draw_views(2, tower.image_size_px))
    return (perf_counter() - start) / 2
