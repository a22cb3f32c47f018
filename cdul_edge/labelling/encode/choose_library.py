"""Which library runs CLIP's image tower where nobody says so: torch, or OpenVINO after a trial."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from time import perf_counter
from typing import Literal

import numpy as np
import torch

from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.exported.cached import TowerCache
from cdul_edge.labelling.encode.exported.tower import ImageTower
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.open_encoder import (
    Wish,
    draw_views,
    load_tower,
    open_encoder,
)
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.encode.trial import Candidate, run_trial
from cdul_edge_runtime.backends.openvino.units import cpu_computes_bf16
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

# "auto" has OpenVINO tried where torch would take so many seconds: an export takes 5 to 30, a trial
# of what was exported before 3.
_WORTH_S = {"new": 120.0, "exported before": 20.0}
_FEWEST_VIEWS = 500
_TRIAL_S = 0.5  # of a round, by torch
_TRIAL_VIEWS = 16  # of a stream, at most


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
    if wish.encoder != "auto" or wish.kept is not None or not may_try_openvino(wish):
        return open_encoder(clip, wish, console)
    plain = open_encoder(clip.with_own_tower(), replace(wish, encoder="torch"), console)
    if not worth_a_trial(clip, wish, plain):
        clip.drop_tower()
        return plain
    return _try_openvino(clip, plain, wish, prompts, console)


def may_try_openvino(wish: Wish) -> bool:
    """Whether "auto" has OpenVINO to try in the precision asked for, and pictures enough."""
    on_cuda = wish.device == "cuda" or (wish.device == "auto" and torch.cuda.is_available())
    if on_cuda or wish.views < _FEWEST_VIEWS or find_spec("openvino") is None:
        return False
    return wish.precision != "fp16" and (wish.precision != "bf16" or has_openvino_bf16())


def has_openvino_bf16() -> bool:
    """Whether OpenVINO loads, and computes in bfloat16 on this processor."""
    with suppress(CdulEdgeError):  # a damaged one is named where it is tried
        return cpu_computes_bf16()
    return False


def worth_a_trial(clip: LoadedClip, wish: Wish, plain: ImageEncoder) -> bool:
    """Whether `plain`, an encoder of the same CLIP, would take minutes for what is asked for."""
    held = TowerCache(ImageTower(clip, wish.kind)).holds
    return wish.views * _time_a_view(plain) > _WORTH_S["exported before" if held else "new"]


def _try_openvino(
    clip: LoadedClip, plain: ImageEncoder, wish: Wish, prompts: Prompts, console: Console
) -> ImageEncoder:
    """Whichever of torch and OpenVINO is faster, of the same classes and printed with its trial."""
    precision: Literal["fp32", "bf16"] = "bf16" if wish.precision == "bf16" else "fp32"
    tower = ImageTower(clip, wish.kind)
    try:
        loaded = load_tower(tower, "openvino", precision, wish, console)
    except CdulEdgeError as error:
        console.say(f"torch runs CLIP's image tower, as OpenVINO does not: {error}")
        clip.drop_tower()
        return plain
    clip.drop_tower()
    exported = loaded.encoder(ClipEncoder(clip, "cpu", "fp32", wish.threads))
    texts = plain.embed_texts(replace(prompts, templates=prompts.templates[:1]))
    count = exported.streams.count
    views = count * max(1, min(_TRIAL_VIEWS, int(_TRIAL_S / _time_a_view(plain) / count)))
    batches = np.split(draw_views(views, plain.image_size_px)[:, None], count)
    trial = run_trial([as_candidate(one.library, one) for one in (plain, exported)], batches, texts)
    console.say(str(trial))
    return plain if trial.chosen == plain.library else exported


def as_candidate(name: str, encoder: ImageEncoder) -> Candidate:
    """An encoder as a trial runs it: in its streams."""

    def embed(batches: Sequence[Pixels]) -> list[Floats]:
        decoded = (Decoded(0, (), batch, slot=0) for batch in batches)
        return [vectors for _, vectors in encoder.stream(decoded)]

    return Candidate(name, embed)


def _time_a_view(encoder: ImageEncoder) -> float:
    """Seconds that an encoder takes for one of many views, in its streams, once it has seen one."""
    candidate, streams = as_candidate("", encoder), encoder.held_batches - 1
    first, *others = np.split(draw_views(3 * streams, encoder.image_size_px)[:, None], 3)
    candidate.embed(np.split(first, streams))
    start = perf_counter()
    candidate.embed(np.split(np.concatenate(others), streams))
    return (perf_counter() - start) / (2 * streams)
