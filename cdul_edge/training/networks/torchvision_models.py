"""torchvision's classifiers by name, and weights for their trunks."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any
from urllib.error import URLError

from torch import Tensor, nn
from torchvision import models

from cdul_edge.training.networks.local_global import BRANCH
from cdul_edge.training.networks.timm_models import TIMM, near_timm_names
from cdul_edge.training.networks.weight_files import names_file, read_state
from cdul_edge_runtime.errors import CdulEdgeError

# These two normalize their input again, and have heads that only training uses.
_OWN_SETTINGS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": True},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": True},
}
_TRAINING_HEADS = ("aux1.", "aux2.", "AuxLogits.")


def build_torchvision(name: str, height_px: int, width_px: int) -> nn.Module:
    """A torchvision classifier with random weights and its own 1000 classes.

    Raises:
        CdulEdgeError: no such network, with near matches.
    """
    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name.lower(), [*known, "clip:demo", "clip:RN50"], 4, 0.5)
        of_timm = near_timm_names(name)
        exact = (
            of_timm[:1] if f"{TIMM}{name.lower()}" in of_timm else []
        )  # the prefix was forgotten
        near = exact or near or of_timm
        hint = f"did you mean {', '.join(near)}?" if near else "give a torchvision classifier"
        raise CdulEdgeError(
            f"no network {name!r}: {hint} (or timm:NAME, or clip:NAME for a CLIP image tower)"
        )
    settings = dict(_OWN_SETTINGS.get(name, {}))
    if name.startswith("vit_") and height_px == width_px and height_px % 32 == 0:
        settings["image_size"] = height_px
    network: nn.Module = models.get_model(name, weights=None, **settings)
    return network


def load_trunk_weights(network: nn.Module, name: str, weights: str, head: str) -> None:
    """Load everything but the layer `head`.

    Args:
        weights: "default", a torchvision tag such as "IMAGENET1K_V1", or a file with a state
            dict (.pt, .pth, .safetensors) or a run's checkpoint.pt.

    Raises:
        CdulEdgeError: no such tag or file, a failed download, or weights of another network.
    """
    state = read_state(Path(weights)) if names_file(weights) else _download(name, weights)
    wanted = network.state_dict()
    kept = {
        key: value
        for key, value in state.items()
        if not key.startswith((f"{head}.", *_TRAINING_HEADS))
    }
    trunk = {key for key in wanted if not key.startswith(f"{head}.")}
    if not any(BRANCH in key for key in kept):  # a plain network's weights go beside new branches
        trunk = {key for key in trunk if BRANCH not in key}
    missing = sorted(k for k in trunk if k not in kept or kept[k].shape != wanted[k].shape)
    foreign = sorted(set(kept) - trunk)
    if missing or foreign:
        what = "are missing or of another shape" if missing else "of the file have no place in it"
        count = f"{len(missing)} of {len(trunk)}" if missing else str(len(foreign))
        raise CdulEdgeError(
            f"the weights {weights} do not fit {name} at this input size: {count} tensors {what}, "
            f"such as {(missing or foreign)[0]}: give weights of this network"
        )
    network.load_state_dict(kept, strict=False)


def _download(name: str, tag: str) -> dict[str, Tensor]:
    known = models.get_model_weights(name)
    tags = [entry.name for entry in known]
    if tag != "default" and tag not in tags:
        near = difflib.get_close_matches(tag, tags, 3, 0.3) or tags
        raise CdulEdgeError(
            f"no weights {tag!r} for {name}: give default, none, a file, or {', '.join(near)}"
        )
    chosen = known.DEFAULT if tag == "default" else known[tag]
    try:
        state: dict[str, Tensor] = models.get_model(name, weights=chosen).state_dict()
    except (URLError, OSError, RuntimeError) as error:
        raise CdulEdgeError(
            f"the weights of {name} could not be downloaded from {chosen.url} ({error}): fetch "
            "that file on another machine and give it as --weights FILE, or --weights none"
        ) from error
    return state
