"""Loading a CLIP through open_clip: bundled, by architecture and tag, or from local files."""

from __future__ import annotations

import difflib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch

from cdul_edge.clip.checkpoints import (
    LOAD_FAULTS,
    download_weights,
    is_openai_archive,
    load_weights,
    quiet_open_clip,
)
from cdul_edge.clip.files import CONFIG_FILE, ClipDescription, find_config, find_weights
from cdul_edge.clip.files import DEMO_FOLDER as DEMO_FOLDER
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file


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


@dataclass(frozen=True)
class _Source:
    """Where a model comes from.

    `folder` is None for an architecture of open_clip's own; `weights` None means random ones;
    `vocabulary` None means CLIP's own.
    """

    name: str
    folder: Path | None
    config: dict[str, Any]
    pretrained: str
    weights: Path | None
    quick_gelu: bool
    vocabulary: Path | None = None


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
    source = _find_source(name, pretrained)
    model = _build(source, seed)
    if source.weights is not None:
        load_weights(model, source.weights, name)
    return _describe(model.eval().requires_grad_(False), source, seed)


def fetch_weights(name: str, pretrained: str | None = None) -> str | None:
    """Make sure that what `load_clip` would read lies on this machine; builds nothing.

    Returns:
        sha256 of the weights, as `LoadedClip.description` has it; None for random ones.

    Raises:
        CdulEdgeError: as `load_clip`.
    """
    source = _find_source(name, pretrained)
    return sha256_file(source.weights) if source.weights else None


def _find_source(name: str, pretrained: str | None) -> _Source:
    config = find_config(name)
    if name == "demo" and pretrained is not None:
        raise CdulEdgeError(f"the bundled CLIP has its own weights: drop {pretrained!r}")
    if config is not None:
        return _local_source(config, pretrained, name)
    return _architecture_source(name, pretrained)


def _architecture_source(name: str, pretrained: str | None) -> _Source:
    architecture = name.replace("/", "-")
    known = list(open_clip.list_models())
    if architecture not in known:
        raise CdulEdgeError(
            f'no CLIP called {name!r}{_near(architecture, known)}: give "demo", an architecture '
            f"of open_clip, or a folder with {CONFIG_FILE}"
        )
    config = open_clip.get_model_config(architecture)
    tags = list(open_clip.list_pretrained_tags_by_model(architecture))
    if pretrained is None:
        raise CdulEdgeError(
            f"{name} needs --pretrained: a tag ({', '.join(tags) or 'it has none'}), a checkpoint "
            "file, or none for random weights"
        )
    tag: dict[str, Any] = open_clip.get_pretrained_cfg(architecture, pretrained) or {}
    weights = None
    if tag:
        weights = download_weights(architecture, pretrained, tag)
    elif Path(pretrained).is_file():
        weights = Path(pretrained)
    elif pretrained != "none":
        raise CdulEdgeError(
            f"{name} has no weights {pretrained!r}{_near(pretrained, tags)}: give a tag "
            f"({', '.join(tags) or 'it has none'}) or a checkpoint file that exists"
        )
    preprocess = {key: list(tag[key]) for key in ("mean", "std") if key in tag}
    return _Source(
        name=architecture,
        folder=None,
        config={"model_cfg": config, "preprocess_cfg": preprocess},
        pretrained=pretrained,
        weights=weights,
        quick_gelu=_wants_quick_gelu(config, weights) or bool(tag.get("quick_gelu")),
    )


def _local_source(file: Path, pretrained: str | None, name: str) -> _Source:
    config = read_json(file)
    if "model_cfg" not in config:
        config = {"model_cfg": config, "preprocess_cfg": {}}
    missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(config["model_cfg"])
    if missing:
        raise CdulEdgeError(f"{file} is no open_clip config: it lacks {', '.join(sorted(missing))}")
    if pretrained is None:
        weights: Path | None = find_weights(file)
    else:
        weights = Path(pretrained) if pretrained != "none" else None
        if weights is not None and not weights.is_file():
            raise CdulEdgeError(f"the checkpoint {weights} does not exist: check --pretrained")
    return _Source(
        name=name if name == "demo" else file.parent.resolve().name,
        folder=file.parent,
        config=config,
        pretrained=weights.name if weights else "none",
        weights=weights,
        quick_gelu=_wants_quick_gelu(config["model_cfg"], weights),
        vocabulary=next(iter(sorted(file.parent.glob("bpe*.txt.gz"))), None),
    )


def _wants_quick_gelu(config: dict[str, Any], weights: Path | None) -> bool:
    return bool(config.get("quick_gelu")) or (weights is not None and is_openai_archive(weights))


def _build(source: _Source, seed: int) -> torch.nn.Module:
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


def _describe(model: torch.nn.Module, source: _Source, seed: int) -> LoadedClip:
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
            weights_sha256=sha256_file(source.weights) if source.weights else None,
            seed=None if source.weights else seed,
            quick_gelu=source.quick_gelu,
            image_size_px=int(height),
            mean=mean,
            std=std,
        ),
    )


def _tokenizer(source: _Source) -> Callable[[list[str]], torch.Tensor]:
    text = source.config["model_cfg"]["text_cfg"]
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


def _near(wanted: str, known: list[str]) -> str:
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(wanted.casefold(), by_fold, n=4, cutoff=0.5)
    return f" (near: {', '.join(by_fold[name] for name in close)})" if close else ""
