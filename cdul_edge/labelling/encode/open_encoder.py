"""Which library runs CLIP's image tower, and the encoder that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch

from cdul_edge.clip.choices import Device, Encoder, Exported, Library, Precision
from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.exported.cached import TowerCache
from cdul_edge.labelling.encode.exported.encoder import ExportedEncoder, Streams
from cdul_edge.labelling.encode.exported.sessions import (
    TowerSession,
    open_session,
    unit_vectors,
)
from cdul_edge.labelling.encode.exported.tower import ImageTower
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labels.settings import Kind
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.console import Console

ENCODERS: dict[Kind, type[ClipEncoder]] = {"snippets": ClipEncoder, "patches": PatchEncoder}

# The lowest cosine between what an exported tower and torch in float32 make of the same view; the
# ViTs and ResNets that were tried stay above 1 - 1e-6 and 0.9999.
LEAST_COSINE = {"fp32": 1 - 1e-4, "bf16": 0.99}
_MODULES: dict[Exported, tuple[str, str, str]] = {
    "openvino": ("openvino", "OpenVINO", "openvino"),
    "onnx": ("onnxruntime", "ONNX Runtime", "cpu"),
}


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        encoder: what runs the image tower; "auto" leaves it to the folder, or to a trial.
        kind: what a store holds of each picture.
        device, precision, threads: as `LabelRequest` has them.
        views: how many are to be encoded.
        kept, kept_precision: what ran it, and how, when the folder, which goes on, was begun; None
            for a new one.
    """

    encoder: Encoder = "auto"
    kind: Kind = "snippets"
    device: Device = "auto"
    precision: Precision | None = None
    threads: int | None = None
    views: int = 0
    kept: Library | None = None
    kept_precision: str | None = None


def open_encoder(clip: LoadedClip, wish: Wish, console: Console) -> ImageEncoder:
    """An encoder that takes the CLIP over; "auto" is torch unless the folder was begun otherwise.

    Raises:
        MissingExtraError: the library asked for is not installed.
        CdulEdgeError: it does not run on this device, in this precision, or with this CLIP.
    """
    library = (wish.kept or "torch") if wish.encoder == "auto" else wish.encoder
    if library == "torch":
        encoder = ENCODERS[wish.kind](clip, wish.device, wish.precision, wish.threads)
        if encoder.emulates_bf16:
            console.say(
                "this processor has no bf16 instructions: values are rounded to bf16 and computed "
                "in float32, which is no faster than --precision fp32"
            )
        return encoder
    loaded = load_tower(ImageTower(clip, wish.kind), library, _check(library, wish), wish, console)
    clip.model.visual = torch.nn.Identity()  # its memory is of no use any more
    return loaded.encoder(ClipEncoder(clip, "cpu", "fp32", wish.threads))


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
class LoadedTower:
    """An exported tower that is ready, still without the text tower."""

    library: Exported
    precision: Literal["fp32", "bf16"]
    session: TowerSession
    vectors_per_view: int
    dtype: torch.dtype
    streams: Streams

    def encoder(self, texts: ClipEncoder) -> ExportedEncoder:
        """With an encoder that has the text tower."""
        return ExportedEncoder(
            self.library,
            self.precision,
            self.session,
            self.vectors_per_view,
            self.dtype,
            texts,
            self.streams,
        )


def load_tower(
    tower: ImageTower,
    library: Exported,
    precision: Literal["fp32", "bf16"],
    wish: Wish,
    console: Console,
) -> LoadedTower:
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
    return LoadedTower(library, precision, session, rows, ENCODERS[wish.kind].dtype, streams)


def draw_views(count: int, side_px: int) -> Pixels:
    """(count, S, S, 3) uint8: squares of color, for a trial."""
    squares = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    places = np.arange(side_px) * 8 // side_px
    return np.ascontiguousarray(squares[:, places][:, :, places])
