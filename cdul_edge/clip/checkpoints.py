"""Getting CLIP weights: from a hub, or from the kinds of checkpoint file that exist."""

from __future__ import annotations

import logging
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors import SafetensorError

from cdul_edge_runtime.errors import CdulEdgeError

# What a damaged or foreign checkpoint makes torch, safetensors and open_clip raise.
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


def download_weights(architecture: str, tag: str, settings: dict[str, Any]) -> Path:
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


def load_weights(model: torch.nn.Module, weights: Path, name: str) -> None:
    """Fill `model` from a safetensors, torch or OpenAI TorchScript file; every weight must fit."""
    try:
        with quiet_open_clip():
            if is_openai_archive(weights):
                _load_archive(model, weights)
            else:
                open_clip.load_checkpoint(model, str(weights))
    except LOAD_FAULTS as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        raise CdulEdgeError(
            f"{weights} does not fit {name} ({reason}): give the checkpoint of this architecture"
        ) from error


def is_openai_archive(weights: Path) -> bool:
    """OpenAI's own files (RN50.pt) are TorchScript archives, whose weights want QuickGELU."""
    try:
        with zipfile.ZipFile(weights) as archive:
            # a plain torch.save is a zip too, but it carries no code
            return any(name.endswith("constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _load_archive(model: torch.nn.Module, weights: Path) -> None:
    archive = torch.jit.load(str(weights), map_location="cpu")  # type: ignore[no-untyped-call]
    state = archive.state_dict()
    for counter in ("input_resolution", "context_length", "vocab_size"):
        state.pop(counter, None)
    model.load_state_dict(state)


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
