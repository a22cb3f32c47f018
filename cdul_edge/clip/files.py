"""Where a local CLIP lies and which weights are its own; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file

DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "clip"
CONFIG_FILE = "open_clip_config.json"

# The order in which open_clip itself looks for weights in a folder.
_WEIGHTS_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)


@dataclass(frozen=True)
class ClipDescription:
    """Which CLIP a model is; equal descriptions give equal embeddings.

    Attributes:
        architecture: open_clip's name, "demo", or the name of a local model's folder.
        pretrained: tag or file name of the weights; "none" for random ones.
        weights_sha256: None for random weights.
        seed: of random weights; None for others.
        quick_gelu: whether OpenAI's approximation of GELU is used.
        image_size_px: side of the square input.
        mean, std: of RGB values in [0, 1].
    """

    architecture: str
    pretrained: str | None
    weights_sha256: str | None
    seed: int | None
    quick_gelu: bool
    image_size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def find_config(name: str) -> Path | None:
    """The config of a local CLIP: "demo", a folder, or a JSON file; None for an architecture."""
    if name == "demo":
        return DEMO_FOLDER / CONFIG_FILE
    path = Path(name)
    if path.is_dir():
        return path / CONFIG_FILE
    return path if path.suffix == ".json" else None


def find_weights(config: Path) -> Path:
    """The checkpoint beside a local model's config.

    Raises:
        CdulEdgeError: there is none.
    """
    for name in _WEIGHTS_FILES:
        if (config.parent / name).is_file():
            return config.parent / name
    raise CdulEdgeError(
        f"no weights in {config.parent}: expected {_WEIGHTS_FILES[0]}, or give --pretrained a "
        "checkpoint file, or none for random weights"
    )


def local_weights_sha256(name: str, pretrained: str | None) -> str | None:
    """Digest of the checkpoint that `load_clip` would read, if it is a local file."""
    config = find_config(name)
    if pretrained is None and config is not None:
        return sha256_file(find_weights(config))
    if pretrained is not None and Path(pretrained).is_file():
        return sha256_file(Path(pretrained))
    return None
