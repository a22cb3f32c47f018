"""Which library runs CLIP's image tower, and the encoder that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter
from typing import Literal

import numpy as np
import torch

from cdul_edge.clip.choices import Device, Encoder, Exported, Library, Precision
from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.exported.cached import TowerCache
from cdul_edge.labelling.encode.exported.encoder import ExportedEncoder, Streams
from cdul_edge.labelling.encode.exported.sessions import (
    TowerSession,
    computes_bf16,
    open_session,
    unit_vectors,
)
from cdul_edge.labelling.encode.exported.tower import ImageTower
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.encode.trial import Candidate, run_trial
from cdul_edge.labels.settings import Kind
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.console import Console

ENCODERS: dict[Kind, type[ClipEncoder]] = {"snippets": ClipEncoder, "patches": PatchEncoder}

# The lowest cosine between what an exported tower and torch in float32 make of the same view; the
# ViTs and ResNets that were tried stay above 1 - 1e-6 and 0.9999.
LEAST_COSINE = {"fp32": 1 - 1e-4, "bf16": 0.99}
# "auto" has OpenVINO tried where torch would take so many seconds: an export takes 5 to 30, a trial
# of what was exported before 3.
_WORTH_S = {"new": 120.0, "exported before": 20.0}
_FEWEST_VIEWS = 500
_TRIAL_S = 0.5  # of a stream's batch, by torch
_TRIAL_VIEWS = 16
_MODULES: dict[Exported, tuple[str, str, str]] = {
    "openvino": ("openvino", "OpenVINO", "openvino"),
    "onnx": ("onnxruntime", "ONNX Runtime", "cpu"),
}


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        encoder: what runs the image tower; "auto" is what `kept` says, or what a trial does.
        kind: what a store holds of each picture.
        device, precision, threads: as `LabelRequest` has them.
        views: how many are to be encoded.
        kept: what ran it when the folder, which goes on, was begun; None for a new one.
    """

    encoder: Encoder = "auto"
    kind: Kind = "snippets"
    device: Device = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    views: int = 0
    kept: Library | None = None


def open_encoder(
    clip: LoadedClip, wish: Wish, prompts: Prompts, console: Console
) -> tuple[ImageEncoder, Floats]:
    """An encoder that takes the CLIP over, and the unit vectors (C, D) of the classes.

    Raises:
        MissingExtraError: the library asked for is not installed.
        CdulEdgeError: it does not run on this device, in this precision, or with this CLIP; or
            prompts that CLIP cannot tell apart.
    """
    library = wish.kept if wish.encoder == "auto" else wish.encoder
    if library is None and (tower := _worth_a_trial(clip, wish)) is not None:
        return _try_openvino(clip, tower, wish, prompts, console)
    encoder: ImageEncoder
    if library is None or library == "torch":
        encoder = ENCODERS[wish.kind](clip, wish.device, wish.precision, wish.threads)
    else:
        loaded = _load(ImageTower(clip, wish.kind), library, _check(library, wish), wish, console)
        clip.model.visual = torch.nn.Identity()  # its memory is of no use any more
        encoder = loaded.encoder(ClipEncoder(clip, "cpu", "fp32", wish.threads))
    return encoder, encoder.embed_texts(prompts, console)


def _worth_a_trial(clip: LoadedClip, wish: Wish) -> ImageTower | None:
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
) -> tuple[ImageEncoder, Floats]:
    """Whichever of torch and OpenVINO is faster, of the same classes and printed with its trial."""
    precision: Literal["fp32", "bf16"] = "bf16" if wish.precision == "bf16" else "fp32"
    views = max(1, min(_TRIAL_VIEWS, int(_TRIAL_S / _time_a_view(tower))))
    loaded: _Loaded | None = None
    try:
        loaded = _load(tower, "openvino", precision, wish, console)
    except CdulEdgeError as error:
        console.say(f"torch runs CLIP's image tower, as OpenVINO does not: {error}")
    plain = ENCODERS[wish.kind](clip, "cpu", wish.precision, wish.threads)
    texts = plain.embed_texts(prompts, console)
    if loaded is None:
        return plain, texts
    exported = loaded.encoder(plain)
    drawn = draw_views(views * exported.streams.count, tower.image_size_px)
    batches = np.split(drawn[:, None], exported.streams.count)
    trial = run_trial([_candidate(plain), _candidate(exported)], batches, texts)
    console.say(str(trial))
    if trial.chosen == plain.library:
        return plain, texts
    clip.model.visual = torch.nn.Identity()  # its memory is of no use any more
    return exported, texts


def _candidate(encoder: ImageEncoder) -> Candidate:
    def embed(batches: Sequence[Pixels]) -> list[Floats]:
        decoded = (Decoded(0, (), batch, slot=0) for batch in batches)
        return [vectors for _, vectors in encoder.stream(decoded)]

    return Candidate(encoder.library, embed)


def _time_a_view(tower: ImageTower) -> float:
    """Seconds that torch takes for one of two views, once it has seen one."""
    tower.embed(draw_views(1, tower.image_size_px))
    start = perf_counter()
    tower.embed(draw_views(2, tower.image_size_px))
    return (perf_counter() - start) / 2


def _check(library: Exported, wish: Wish) -> Literal["fp32", "bf16"]:
    """The precision; refuses what the library cannot do before anything is exported."""
    module, title, extra = _MODULES[library]
    if wish.device == "cuda":
        raise CdulEdgeError(
            f"--encoder {library} runs on the CPU: use --device cpu, or --encoder torch on CUDA"
        )
    if wish.precision == "fp16" or (wish.precision == "bf16" and library == "onnx"):
        others = " or bf16" if library == "openvino" else ", or --encoder openvino"
        raise CdulEdgeError(
            f"--encoder {library} does not compute in {wish.precision}: use --precision "
            f"fp32{others}"
        )
    if find_spec(module) is None:
        raise MissingExtraError(
            f"--encoder {library} needs {title}, which is not installed: "
            f'pip install "cdul-edge[{extra}]"'
        )
    return "bf16" if wish.precision == "bf16" else "fp32"


@dataclass(frozen=True)
class _Loaded:
    """An exported tower that is ready, still without the text tower."""

    library: Exported
    precision: Literal["fp32", "bf16"]
    session: TowerSession
    vectors_per_view: int
    dtype: torch.dtype
    streams: Streams

    def encoder(self, texts: ClipEncoder) -> ExportedEncoder:
        return ExportedEncoder(
            self.library,
            self.precision,
            self.session,
            self.vectors_per_view,
            self.dtype,
            texts,
            self.streams,
        )


def _load(
    tower: ImageTower,
    library: Exported,
    precision: Literal["fp32", "bf16"],
    wish: Wish,
    console: Console,
) -> _Loaded:
    """The tower, exported if it was not, once it says what torch says."""
    streams, title = Streams.choose(wish.threads), _MODULES[library][1]
    pixels = draw_views(2, tower.image_size_px)
    expected = unit_vectors(tower.embed(pixels))  # before minutes go into broken weights
    with TowerCache(tower).open(title, console) as file:
        session = open_session(library, file, precision, streams.threads, streams.count)
    cosine = float((expected * unit_vectors(session.run(pixels))).sum(axis=-1).min())
    if not cosine >= LEAST_COSINE[precision]:
        raise CdulEdgeError(
            f"{title} and PyTorch do not agree on this CLIP in {precision} (cosine {cosine:.4f}, "
            f"expected {LEAST_COSINE[precision]}): use --encoder torch"
        )
    rows = tower.vectors_per_view
    return _Loaded(library, precision, session, rows, ENCODERS[wish.kind].dtype, streams)


def draw_views(count: int, side_px: int) -> Pixels:
    """(count, S, S, 3) uint8: squares of color, for a trial."""
    squares = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    places = np.arange(side_px) * 8 // side_px
    return np.ascontiguousarray(squares[:, places][:, :, places])
