"""The encoder of `--strategy patches`: a picture's own vector, and one for each of its patches."""

from __future__ import annotations

import torch

from cdul_edge.clip.choices import Device, Precision
from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.encode.dense_tokens import embed_tokens, require_plain_vit
from cdul_edge.labelling.encode.encoder import ClipEncoder


class PatchEncoder(ClipEncoder):
    """Sees whole pictures only, each in one forward pass.

    Raises:
        CdulEdgeError: the CLIP is no plain ViT.
    """

    dtype = torch.float16  # two hundred vectors per picture are stored

    def __init__(
        self,
        clip: LoadedClip,
        device: Device = "auto",
        precision: Precision | None = None,
        threads: int | None = None,
    ) -> None:
        self._vit = require_plain_vit(clip.model.visual, clip.description.architecture)
        super().__init__(clip, device, precision, threads)

    @property
    def vectors_per_view(self) -> int:
        """The whole picture, then its patches row by row."""
        rows, columns = self._vit.grid_size
        return 1 + int(rows * columns)

    def _encode(self, images: torch.Tensor) -> torch.Tensor:
        return embed_tokens(self._vit, images)
