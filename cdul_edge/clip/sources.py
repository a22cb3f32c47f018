"""Where a CLIP and its weights come from: bundled, a hub, or local files."""

from __future__ import annotations

import difflib
import logging
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import open_clip
from safetensors import SafetensorError

from cdul_edge.clip.files import CONFIG_FILE, find_local
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file

# What open_clip, torch and safetensors raise at a damaged or foreign config or checkpoint. Only
# calls of theirs are wrapped in it: an AttributeError of ours is a bug, and shows.
LOAD_FAULTS = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    AssertionError,
    pickle.UnpicklingError,
    SafetensorError,
)


@dataclass(frozen=True)
class Weights:
    """A checkpoint on this machine; `is_archive` for the TorchScript files of OpenAI (RN50.pt)."""

    file: Path
    sha256: str
    is_archive: bool


@dataclass(frozen=True)
class ClipSource:
    """Where a model comes from.

    Attributes:
        name: as `ClipDescription.architecture`.
        folder: of a local model; None for an architecture of open_clip's own.
        config: what open_clip's config file holds.
        pretrained: as `ClipDescription.pretrained`.
        weights: None means random ones.
        quick_gelu: whether they want OpenAI's approximation of GELU.
        vocabulary: of the tokenizer; None means CLIP's own.
    """

    name: str
    folder: Path | None
    config: Mapping[str, Mapping[str, object]]
    pretrained: str
    weights: Weights | None
    quick_gelu: bool
    vocabulary: Path | None = None


def find_source(name: str, pretrained: str | None) -> ClipSource:
    """Find a model's config, and weights that are downloaded if need be.

    Args:
        name: "demo", an architecture of open_clip, a folder, or a JSON file.
        pretrained: a tag, a checkpoint file, "none", or None for the local model's own.

    Raises:
        CdulEdgeError: nothing of that name (with near matches), or a download that failed.
    """
    if name == "demo" and pretrained is not None:
        raise CdulEdgeError(f"the bundled CLIP has its own weights: drop {pretrained!r}")
    local = find_local(name, pretrained)
    if local is None:
        return _architecture_source(name, pretrained)
    weights = _examine(local.weights)
    return ClipSource(
        name=name if name == "demo" else local.folder.resolve().name,
        folder=local.folder,
        config=local.config,
        pretrained=weights.file.name if weights else "none",
        weights=weights,
        quick_gelu=_wants_quick_gelu(local.config["model_cfg"], weights),
        vocabulary=next(iter(sorted(local.folder.glob("bpe*.txt.gz"))), None),
    )


def _architecture_source(name: str, pretrained: str | None) -> ClipSource:
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
    tag: Mapping[str, object] = open_clip.get_pretrained_cfg(architecture, pretrained) or {}
    file = None
    if tag:
        file = _download(architecture, pretrained, tag)
    elif Path(pretrained).is_file():
        file = Path(pretrained)
    elif pretrained != "none":
        raise CdulEdgeError(
            f"{name} has no weights {pretrained!r}{_near(pretrained, tags)}: give a tag "
            f"({', '.join(tags) or 'it has none'}) or a checkpoint file that exists"
        )
    weights = _examine(file)
    preprocess = {key: tag[key] for key in ("mean", "std") if key in tag}
    return ClipSource(
        name=architecture,
        folder=None,
        config={"model_cfg": config, "preprocess_cfg": preprocess},
        pretrained=pretrained,
        weights=weights,
        quick_gelu=_wants_quick_gelu(config, weights) or bool(tag.get("quick_gelu")),
    )


def _wants_quick_gelu(config: Mapping[str, object], weights: Weights | None) -> bool:
    return bool(config.get("quick_gelu")) or (weights is not None and weights.is_archive)


def _examine(file: Path | None) -> Weights | None:
    if file is None:
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            # a plain torch.save is a zip too, but it carries no code
            is_archive = any(name.endswith("constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        is_archive = False
    return Weights(file, sha256_file(file), is_archive)


def _download(architecture: str, tag: str, settings: Mapping[str, object]) -> Path:
    """Fetch what open_clip knows as `tag`; `settings` is open_clip's entry for it."""
    try:
        with quiet_open_clip():
            return Path(open_clip.download_pretrained(settings))
    except (OSError, RuntimeError, ValueError) as error:
        tried = settings.get("hf_hub") or settings.get("url")
        reason = " ".join(str(error).split())[:200]
        raise CdulEdgeError(
            f"the weights {tag} of {architecture} could not be downloaded from {tried} ({reason}): "
            "check the network, or fetch the file elsewhere and give its path as --pretrained"
        ) from error


@contextmanager
def quiet_open_clip() -> Iterator[None]:
    """open_clip warns through the root logger that random weights are random; we say it better."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _near(wanted: str, known: list[str]) -> str:
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(wanted.casefold(), by_fold, n=4, cutoff=0.5)
    return f" (near: {', '.join(by_fold[name] for name in close)})" if close else ""
