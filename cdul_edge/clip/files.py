"""Where a local CLIP lies and which weights are its own; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file

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


@dataclass(frozen=True)
class LocalClip:
    """A CLIP of one's own: a folder with a config, and maybe weights.

    `config` has "model_cfg" and "preprocess_cfg"; `weights` None means random ones.
    """

    folder: Path
    config: Mapping[str, Mapping[str, object]]
    weights: Path | None


def find_local(name: str, pretrained: str | None) -> LocalClip | None:
    """Read the config of a local CLIP; None for an architecture of open_clip's.

    Args:
        name: "demo", a folder, or a JSON file.
        pretrained: a checkpoint file, "none", or None for the one beside the config.

    Raises:
        CdulEdgeError: no config, no weights, or a config that is not open_clip's.
    """
    file = _find_config(name)
    if file is None:
        return None
    if not file.is_file():
        raise CdulEdgeError(f"{file} does not exist: check --clip")
    weights = None
    if pretrained != "none":
        weights = _find_weights(file) if pretrained is None else Path(pretrained)
        if not weights.is_file():
            raise CdulEdgeError(f"the checkpoint {weights} does not exist: check --pretrained")
    return LocalClip(file.parent, _read_config(file), weights)


def local_weights_sha256(name: str, pretrained: str | None) -> str | None:
    """Digest of the checkpoint that `load_clip` would read, if it is a local file."""
    config = _find_config(name)
    weights = Path(pretrained) if pretrained is not None else None
    if weights is None and config is not None:
        weights = _find_weights(config)
    return sha256_file(weights) if weights is not None and weights.is_file() else None


def _find_config(name: str) -> Path | None:
    if name == "demo":
        return DEMO_FOLDER / CONFIG_FILE
    path = Path(name)
    if path.is_dir():
        return path / CONFIG_FILE
    return path if path.suffix == ".json" else None


def _find_weights(config: Path) -> Path:
    for name in _WEIGHTS_FILES:
        if (config.parent / name).is_file():
            return config.parent / name
    raise CdulEdgeError(
        f"no weights in {config.parent}: expected {_WEIGHTS_FILES[0]}, or give --pretrained a "
        "checkpoint file, or none for random weights"
    )


def _read_config(file: Path) -> Mapping[str, Mapping[str, object]]:
    config = read_json(file)
    if isinstance(config, dict) and "model_cfg" not in config:
        config = {"model_cfg": config, "preprocess_cfg": {}}
    if not isinstance(config, dict) or not isinstance(config["model_cfg"], dict):
        raise CdulEdgeError(f"{file} is not a config of open_clip: it is not an object")
    model = config["model_cfg"]
    missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(model)
    if missing:
        raise CdulEdgeError(
            f"{file} is not a config of open_clip: it lacks {', '.join(sorted(missing))}"
        )
    if not isinstance(model["text_cfg"], dict):
        raise CdulEdgeError(f"{file} is not a config of open_clip: text_cfg is not an object")
    return config
