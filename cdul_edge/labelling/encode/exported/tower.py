"""CLIP's image tower from bytes to embeddings, and as an ONNX graph."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor, nn

from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge.labelling.encode.dense_tokens import embed_tokens, require_plain_vit
from cdul_edge.labelling.encode.fold_batch_norm import fold_batch_norm
from cdul_edge.labels.settings import Kind
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.machine import installed_versions
from cdul_edge_runtime.host.quiet import quiet_exporter

# Of what is exported from the same weights: a new number has every cached graph made again.
FORMAT = 1
_OPSET = 18  # the lowest that torch's exporter makes without converting back
_MOST_BYTES = (2 << 30) - (1 << 20)  # protobuf holds no more in one message


class ImageTower(nn.Module):
    """A CLIP's image tower in float32 with its normalization inside; it folds batch normalization.

    Takes (B, S, S, 3) uint8 RGB; gives (B, D) float32 embeddings of any length, or of each view
    its own and its patches' (B, 1 + P, D).

    Raises:
        CdulEdgeError: patches of a CLIP that is no plain ViT.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, clip: LoadedClip, kind: Kind) -> None:
        super().__init__()
        self.clip: Any = clip.model  # whole: how it is asked for an embedding is the model's own
        visual: Any = clip.model.visual
        fold_batch_norm(visual)
        self.vectors_per_view, self._vit = 1, None
        if kind == "patches":
            self._vit = require_plain_vit(visual, clip.description.architecture)
            rows, columns = self._vit.grid_size
            self.vectors_per_view = 1 + int(rows * columns)
        self.image_size_px = clip.image_size_px
        channels = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(clip.mean).view(channels) * 255)
        self.register_buffer("scale", 1 / (torch.tensor(clip.std).view(channels) * 255))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """(B, D) or (B, 1 + P, D) of (B, S, S, 3)."""
        normalized = (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        if self._vit is not None:
            return embed_tokens(self._vit, normalized)
        embedded: Tensor = self.clip.encode_image(normalized)
        return embedded

    def embed(self, pixels: Pixels) -> Floats:
        """`forward` of an array."""
        with torch.inference_mode():
            found: Floats = self(torch.from_numpy(pixels)).numpy()
        return found

    def digest(self) -> str:
        """SHA-256 of all that the graph comes of: weights, structure and exporter."""
        visual = self.clip.visual
        described = {
            "format": FORMAT,
            "vectors": self.vectors_per_view,
            "class": type(self.clip).__qualname__,
            "modules": [[name, _describe(one)] for name, one in visual.named_modules()],
            "versions": installed_versions("torch", "onnxscript", "open_clip_torch", "timm"),
        }
        found = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
        for name, tensor in [*visual.state_dict().items(), ("m", self.mean), ("s", self.scale)]:
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            found.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().data)
        return found.hexdigest()

    def export(self) -> bytes:
        """The tower as an ONNX graph: images (B, S, S, 3) uint8 to vectors.

        Raises:
            CdulEdgeError: torch cannot export it.
        """
        side = self.image_size_px
        # Two pictures: the tracer takes a batch of one for a constant.
        images = torch.zeros(2, side, side, 3, dtype=torch.uint8)
        try:
            with quiet_exporter(), torch.no_grad():
                program = torch.export.export(
                    self,
                    (images,),
                    dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
                    strict=False,
                )
                exported = torch.onnx.export(
                    program,
                    dynamo=True,
                    input_names=["images"],
                    output_names=["vectors"],
                    opset_version=_OPSET,
                    external_data=False,
                    verbose=False,
                )
        except Exception as error:  # tracer and exporter have no error in common
            raise _cannot_export(_first_line(error)) from error
        assert exported is not None  # only the exporter without dynamo gives none
        model = exported.model_proto
        if model.ByteSize() > _MOST_BYTES:
            raise _cannot_export("it is larger than the 2 GiB that an ONNX file holds")
        content: bytes = model.SerializeToString()
        return content


def _describe(module: nn.Module) -> dict[str, object]:
    """Type and plain settings of one module, such as how many heads an attention has."""
    plain = (bool, int, float, str, tuple, type(None))
    settings = {
        name: repr(value)
        for name, value in sorted(vars(module).items())
        if isinstance(value, plain) and not name.startswith("_")
    }
    return {"type": type(module).__qualname__, **settings}


def _cannot_export(reason: str) -> CdulEdgeError:
    return CdulEdgeError(
        f"this CLIP's image tower cannot be exported to ONNX ({reason}): use --encoder torch"
    )


def _first_line(error: BaseException) -> str:
    while error.__cause__ is not None:  # torch's own summary only says in which step it was
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
