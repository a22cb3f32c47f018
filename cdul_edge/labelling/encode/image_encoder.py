"""What labeling asks of an encoder, whatever runs CLIP's image tower."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch

from cdul_edge.clip.choices import Library
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.pictures.preprocess import Preprocess, Resize


class ImageEncoder(Protocol):
    """CLIP's two towers as plain functions from pixels and prompts to unit vectors."""

    @property
    def library(self) -> Library:
        """What runs the image tower."""

    @property
    def device(self) -> str:
        """Where: "cpu" or "cuda"."""

    @property
    def precision(self) -> str:
        """In which number format: "fp32", "bf16" or "fp16"."""

    @property
    def dtype(self) -> torch.dtype:
        """Of what `embed_views` gives."""

    @property
    def vectors_per_view(self) -> int:
        """How many vectors `embed_views` gives for each view."""

    @property
    def held_batches(self) -> int:
        """How many batches `stream` may hold at once, the one just given out among them."""

    @property
    def image_size_px(self) -> int:
        """Side of the square input."""

    def piece_pictures(self, batch_pictures: int) -> int:
        """How many pictures of a batch are best decoded at once, for `stream`."""

    def preprocess(self, fit: Resize) -> Preprocess:
        """How a view becomes the encoder's input; mean and deviation are applied in there."""

    def embed_texts(self, prompts: Prompts, console: Console | None = None) -> Floats:
        """Unit vectors (C, D) of the prompts of C classes."""

    def embed_views(self, pixels: Pixels) -> Floats:
        """Unit vectors (M, V x `vectors_per_view`, D) of views (M, V, S, S, 3) uint8."""

    def stream(self, batches: Iterable[Decoded]) -> Iterator[tuple[Decoded, Floats]]:
        """Embed what was decoded, in order, holding `held_batches` at most."""
