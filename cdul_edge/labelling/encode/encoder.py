"""CLIP's two towers as plain functions from pixels and prompts to unit vectors."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch.nn.functional import normalize

from cdul_edge.clip.choices import Device, Library, Precision
from cdul_edge.clip.float32 import whole_float32
from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode.cpu_layers import (
    Arithmetic,
    choose_arithmetic,
    replace_layers,
)
from cdul_edge.labelling.encode.fold_batch_norm import fold_batch_norm
from cdul_edge.labelling.encode.prompts import Prompts, refuse_equal, warn_of_truncated
from cdul_edge.labelling.encode.queued import AHEAD, Queued, bring_pixels, stream_queued
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.host.prefetch import work_ahead
from cdul_edge_runtime.pictures.preprocess import Preprocess, Resize

MAX_BATCH_PICTURES = 256
# Pixels per batch: for a core's caches (measured at 64 and 224 px: a third less time than batches
# of twice the size and more), or to fill a GPU.
BATCH_PIXELS = {"cpu": 500_000, "cuda": 25_000_000}

# Devices that work by themselves: what they compute is queued, and fetched when it is there.
QUEUING = ("cuda",)
# Pictures that a process decodes at once for these. The first batch is soon there, and each of many
# processes holds a few pictures instead of a GPU's batch.
PIECE_PICTURES = 8

# Each stream holds a batch's activations; beyond eight they cost memory and win nothing.
MAX_STREAMS = 8
TEXT_BATCH = 256

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class ClipEncoder:
    """Takes a CLIP over: moves it to the device and makes its image tower fast there.

    On a CPU several batches are encoded side by side, each on one thread: faster than one batch
    on all threads, whose every barrier waits for a core that a decoding process has taken.
    """

    def __init__(
        self,
        clip: LoadedClip,
        device: Device = "auto",
        precision: Precision | None = None,
        threads: int | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.precision = _choose_precision(precision, self.device)
        self._clip = clip
        visual: Any = clip.model.visual
        fold_batch_norm(visual)
        self._model: Any = clip.model.to(self.device)
        visual.to(memory_format=torch.channels_last)
        self._arithmetic: Arithmetic | None = None
        if self.device == "cpu":
            self._arithmetic = choose_arithmetic(self.precision)
            replace_layers(visual, self._arithmetic)
        channels = (1, 3, 1, 1)
        self._mean = torch.tensor(clip.mean, device=self.device).view(channels) * 255
        self._scale = 1 / (torch.tensor(clip.std, device=self.device).view(channels) * 255)
        threads = threads or usable_cores()
        self._streams = min(threads, MAX_STREAMS)
        self._threads_a_stream = max(1, threads // self._streams)

    dtype = torch.float32  # of `embed_views`
    library: Library = "torch"

    @property
    def vectors_per_view(self) -> int:
        """How many vectors `embed_views` gives for each view."""
        return 1

    @property
    def emulates_bf16(self) -> bool:
        """Whether this processor has no instructions for the precision."""
        return self._arithmetic == "rounded"

    @property
    def held_batches(self) -> int:
        """How many batches `stream` may hold at once, the one just given out among them."""
        return 1 + (AHEAD if self.device in QUEUING else self._streams)

    def piece_pictures(self, batch_pictures: int) -> int:
        """How many pictures of a batch are best decoded at once, for `stream`."""
        return min(batch_pictures, PIECE_PICTURES) if self.device in QUEUING else batch_pictures

    @property
    def image_size_px(self) -> int:
        """Side of the square input."""
        return self._clip.image_size_px

    def preprocess(self, fit: Resize) -> Preprocess:
        """How a view becomes the encoder's input; mean and deviation are applied in here."""
        side = self._clip.image_size_px
        return Preprocess(side, side, fit, "bicubic", self._clip.mean, self._clip.std)

    def embed_texts(self, prompts: Prompts, console: Console | None = None) -> Floats:
        """Embed each class's sentences, average them, and make the means unit vectors.

        Args:
            prompts: of C classes.
            console: is told of sentences that are longer than CLIP reads.

        Returns:
            (C, D).

        Raises:
            CdulEdgeError: two classes that are the same to CLIP.
        """
        texts = [prompts.texts(index) for index in range(len(prompts.classes))]
        sentences = [sentence for listed in texts for sentence in listed]
        with torch.inference_mode():
            tokens = self._clip.tokenize(sentences)
            if console is not None:
                warn_of_truncated(sentences, self._clip.tokenize, tokens, console)
            by_class = torch.split(tokens, [len(listed) for listed in texts])
            refuse_equal(
                prompts.classes.names,
                [frozenset(row.numpy().tobytes() for row in rows) for rows in by_class],
                "have prompts of the same tokens, so CLIP cannot tell them apart",
            )
            embedded = torch.cat(
                [
                    normalize(self._model.encode_text(some.to(self.device)).float(), dim=-1)
                    for some in torch.split(tokens, TEXT_BATCH)
                ]
            )
            grouped = torch.split(embedded, [len(listed) for listed in texts])
            means = [rows.mean(dim=0) for rows in grouped]
            vectors = Queued.of(normalize(torch.stack(means), dim=-1)).fetch()
        refuse_equal(
            prompts.classes.names,
            [vector.tobytes() for vector in vectors],
            "have text embeddings that are equal to the bit, so CLIP cannot tell them apart",
        )
        return vectors

    def embed_views(self, pixels: Pixels) -> Floats:
        """Unit vectors (M, V x `vectors_per_view`, D) of views (M, V, S, S, 3) uint8."""
        return self.queue([pixels]).fetch()

    def queue(self, pieces: Sequence[Pixels]) -> Queued:
        """Have the device embed the pieces of a batch, each as `embed_views` takes it."""
        pictures, views = sum(map(len, pieces)), pieces[0].shape[1]
        if not pictures:
            return Queued(torch.empty((0, views * self.vectors_per_view, 0), dtype=self.dtype))
        with torch.inference_mode():
            vectors = normalize(
                self.encode(self.normalize(bring_pixels(pieces, self.device))), dim=-1
            )
            return Queued.of(vectors.to(self.dtype).view(pictures, -1, vectors.shape[-1]))

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """What `encode` takes, (B, 3, S, S) float32, of (B, S, S, 3) uint8 on the device."""
        # NHWC bytes seen as NCHW are channels_last already: no copy
        return pixels.permute(0, 3, 1, 2).float().sub_(self._mean).mul_(self._scale)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, D) float32 of normalized views, or (B, `vectors_per_view`, D); any length."""
        with self._autocast():
            return self._encode(images).float()

    def stream(self, batches: Iterable[Decoded]) -> Iterator[tuple[Decoded, Floats]]:
        """Embed what was decoded, in order, holding `held_batches` at most.

        Several batches are computed at a time on a CPU. A GPU takes a batch in pieces.
        """
        if self.device in QUEUING:
            yield from stream_queued(self.queue, batches)
            return
        before = torch.get_num_threads()
        tasks = (partial(self._embed_batch, batch) for batch in batches)
        try:
            yield from work_ahead(
                tasks, workers=self._streams, ahead=self._streams + 1, start=self._start_thread
            )
        finally:
            torch.set_num_threads(before)

    def _embed_batch(self, batch: Decoded) -> tuple[Decoded, Floats]:
        return batch, self.embed_views(batch.pixels)

    def _encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, D) of views (B, 3, S, S), or (B, `vectors_per_view`, D)."""
        vectors: torch.Tensor = self._model.encode_image(images)
        return vectors

    def _start_thread(self) -> None:
        torch.set_num_threads(self._threads_a_stream)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision == "fp32" or self.emulates_bf16:
            return whole_float32() if self.device == "cuda" else contextlib.nullcontext()
        return torch.autocast(self.device, _TYPES[self.precision])


def choose_batch_pictures(image_size_px: int, views: int, device: str) -> int:
    """Whole pictures per batch, so that all of a picture's views travel together."""
    pictures = math.ceil(BATCH_PIXELS[device] / (views * image_size_px**2))
    return min(pictures, MAX_BATCH_PICTURES)


def choose_device(device: Device) -> Literal["cpu", "cuda"]:
    """The device itself; raises `CdulEdgeError` if it is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise CdulEdgeError(
            "no CUDA device is available: use --device cpu, or see cdul-edge doctor"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def _choose_precision(precision: Precision | None, device: str) -> Literal["fp32", "bf16", "fp16"]:
    if (
        precision is None or precision == "auto"
    ):  # half: what OpenAI trained CLIP in; three bits finer than bf16
        return "fp16" if device == "cuda" else "fp32"
    if precision == "fp16" and device == "cpu":
        raise CdulEdgeError("fp16 is for CUDA devices: use --precision fp32 or bf16 on a CPU")
    return precision
