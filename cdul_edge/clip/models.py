"""Loading a CLIP through open_clip: bundled, by architecture and tag, or from local files."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import open_clip
import torch

from cdul_edge.clip.files import CONFIG_FILE, ClipDescription
from cdul_edge.clip.sources import (
    LOAD_FAULTS,
    ClipSource,
    Weights,
    find_source,
    quiet_open_clip,
)
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class LoadedClip:
    """A CLIP in evaluation mode and float32, with what its pictures must look like.

    Attributes:
        model: open_clip's model with `encode_image`, `encode_text` and `visual`.
        tokenize: N texts to (N, L) int64 tokens.
        image_size_px: side of the square input.
        mean, std: of RGB values in [0, 1].
        logit_scale: multiplier of the cosines, exp() already applied, such as 100.0.
        description: architecture, weights and their sha256.
    """

    model: torch.nn.Module
    tokenize: Callable[[list[str]], torch.Tensor]
    image_size_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    logit_scale: float
    description: ClipDescription

    @property
    def temperature(self) -> float:
        """The softmax temperature the model was trained with: 1 / logit_scale."""
        return 1.0 / self.logit_scale

    def with_own_tower(self) -> LoadedClip:
        """The same with an image tower of its own, for an encoder to change; it shares all else."""
        shared = {id(part): part for name, part in self.model.named_children() if name != "visual"}
        return replace(self, model=copy.deepcopy(self.model, shared))

    def drop_tower(self) -> None:
        """Free the image tower, where nothing else has it: what is left embeds texts only."""
        self.model.visual = torch.nn.Identity()


def load_clip(name: str, pretrained: str | None = None, *, seed: int = 0) -> LoadedClip:
    """Load a CLIP.

    Args:
        name: "demo" (bundled), an open_clip architecture such as "RN50x64", a folder with
            open_clip_config.json, or such a JSON file.
        pretrained: a tag of the architecture such as "openai", a checkpoint file, or "none" for
            random weights. None takes the checkpoint in a local model's own folder.
        seed: of random weights.

    Raises:
        CdulEdgeError: an unknown architecture or tag (with near matches), a download that failed,
            a checkpoint that does not fit.
    """
    source = find_source(name, pretrained)
    model = _build(source, seed)
    if source.weights is not None:
        _load_weights(model, source.weights, name)
    return _describe(model.eval().requires_grad_(False), source, seed)


def fetch_weights(name: str, pretrained: str | None = None) -> str | None:
    """Make sure that what `load_clip` would read lies on this machine; builds nothing.

    Returns:
        sha256 of the weights, as `LoadedClip.description` has it; None for random ones.

    Raises:
        CdulEdgeError: as `load_clip`.
    """
    source = find_source(name, pretrained)
    return source.weights.sha256 if source.weights else None


def _build(source: ClipSource, seed: int) -> torch.nn.Module:
    """Build the network with random weights, whatever kind of config it has."""
    with (
        tempfile.TemporaryDirectory() as folder,
        torch.random.fork_rng(devices=[]),
        quiet_open_clip(),
    ):
        torch.manual_seed(seed)
        Path(folder, CONFIG_FILE).write_text(json.dumps(source.config), encoding="utf-8")
        try:
            model: torch.nn.Module = open_clip.create_model(
                f"local-dir:{folder}",
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=source.quick_gelu,
            )
        except (*LOAD_FAULTS, ImportError) as error:
            raise CdulEdgeError(f"open_clip cannot build {source.name}: {error}") from error
    return model


def _load_weights(model: torch.nn.Module, weights: Weights, name: str) -> None:
    """Fill `model` from a safetensors, torch or OpenAI TorchScript file; every weight must fit."""
    load = _load_archive if weights.is_archive else open_clip.load_checkpoint
    try:
        with quiet_open_clip():
            load(model, str(weights.file))
    except LOAD_FAULTS as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        raise CdulEdgeError(
            f"{weights.file} does not fit {name} ({reason}): give the checkpoint of this "
            "architecture"
        ) from error


def _load_archive(model: torch.nn.Module, weights: str) -> None:
    archive = torch.jit.load(weights, map_location="cpu")  # type: ignore[no-untyped-call]
    state = archive.state_dict()
    for counter in ("input_resolution", "context_length", "vocab_size"):
        state.pop(counter, None)
    model.load_state_dict(state)


def _describe(model: torch.nn.Module, source: ClipSource, seed: int) -> LoadedClip:
    visual: Any = model.visual
    size = visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise CdulEdgeError(f"{source.name} takes {width}x{height} px: only squares are supported")
    mean, std = (tuple(visual.preprocess_cfg[key]) for key in ("mean", "std"))
    scale: Any = model.logit_scale
    return LoadedClip(
        model=model,
        tokenize=_tokenizer(source),
        image_size_px=int(height),
        mean=mean,
        std=std,
        logit_scale=float(scale.exp()),
        description=ClipDescription(
            architecture=source.name,
            pretrained=source.pretrained,
            weights_sha256=source.weights.sha256 if source.weights else None,
            seed=None if source.weights else seed,
            quick_gelu=source.quick_gelu,
            image_size_px=int(height),
            mean=mean,
            std=std,
        ),
    )


def _tokenizer(source: ClipSource) -> Callable[[list[str]], torch.Tensor]:
    text = source.config["model_cfg"]["text_cfg"]
    assert isinstance(text, Mapping)
    local = f"local-dir:{source.folder}" if source.folder else source.name
    chosen: Callable[[list[str]], torch.Tensor]
    try:
        with quiet_open_clip():
            if source.folder and not text.get("hf_tokenizer_name"):
                vocabulary = {"bpe_path": str(source.vocabulary)} if source.vocabulary else {}
                length = text.get("context_length", 77)
                chosen = open_clip.SimpleTokenizer(context_length=length, **vocabulary)
            else:
                chosen = open_clip.get_tokenizer(local)
    except (*LOAD_FAULTS, ImportError) as error:
        raise CdulEdgeError(f"the tokenizer of {source.name} cannot be loaded: {error}") from error
    return chosen
