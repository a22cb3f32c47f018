"""timm's classifiers by name: their own input, and weights for their trunks."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import timm
from timm.models import PretrainedCfg, get_pretrained_cfg
from torch import Tensor, nn

from cdul_edge.training.networks.heads import find_heads, reset_heads
from cdul_edge.training.networks.local_global import BRANCH
from cdul_edge.training.networks.weight_files import names_file, read_state
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.quiet import quiet_loggers
from cdul_edge_runtime.pictures.preprocess import Interpolation, Preprocess

TIMM = "timm:"

_SHOWN = 6  # tensors that a line names
# What a file of another network makes timm's own conversions raise.
_CONVERSION_FAULTS = (
    KeyError, IndexError, AttributeError, TypeError, ValueError, RuntimeError, AssertionError,
)  # fmt: skip
# Downloads: huggingface_hub's errors are OSErrors, or ValueErrors for what the Hub does not have.
_DOWNLOAD_FAULTS = (OSError, RuntimeError, ValueError)


def near_timm_names(name: str) -> list[str]:
    """Up to four of timm's classifiers that are called much the same, with the prefix."""
    known = timm.list_models()
    wanted = name.partition(".")[0].lower()
    near = [wanted] if wanted in known else difflib.get_close_matches(wanted, known, 4, 0.6)
    return [f"{TIMM}{one}" for one in near]


def read_settings(name: str, weights: str) -> PretrainedCfg:
    """What timm knows about `NAME[.TAG]`: its input, its weights, its architecture.

    Args:
        name: without "timm:".
        weights: "default", "none", a file, or the tag of weights that timm has for this network.

    Raises:
        CdulEdgeError: no such network or tag, with near matches.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = near_timm_names(name)
        hint = f"did you mean {', '.join(near)}?" if near else "timm.list_models() names them all"
        raise CdulEdgeError(f"timm has no network {name!r}: {hint}")
    if weights not in ("default", "none") and not names_file(weights):
        tag = weights
    tags = timm.models.list_pretrained(f"{architecture}.*") if tag else []
    if tag and f"{architecture}.{tag}" not in tags:
        near = [one.partition(".")[2] for one in tags]
        near = difflib.get_close_matches(tag, near, 4, 0.4) or near[:8]
        raise CdulEdgeError(
            f"no weights {tag!r} for {TIMM}{architecture}: give default, none, a file"
            + (f", or {', '.join(near)}" if near else " (timm has no weights of this network)")
        )
    found = get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    return found or PretrainedCfg(architecture=architecture)


def own_preprocess(cfg: PretrainedCfg, preprocess: Preprocess) -> Preprocess:
    """The same size and resize policy with the network's own mean, std, filter and crop."""
    interpolation: Interpolation = "bilinear" if cfg.interpolation == "bilinear" else "bicubic"
    return Preprocess(
        preprocess.height_px,
        preprocess.width_px,
        preprocess.resize,
        interpolation,
        _three(cfg.mean),
        _three(cfg.std),
        crop=min(1.0, float(cfg.crop_pct)) if preprocess.resize == "center" else 1.0,
    )


def build_timm(name: str, classes: int, height_px: int, width_px: int) -> nn.Module:
    """A timm classifier of C logits with random weights, for pictures of this size.

    Args:
        name: NAME or NAME.TAG, without "timm:".

    Raises:
        CdulEdgeError: it cannot be built, or takes one size only and this is another.
    """
    architecture = name.partition(".")[0]
    return _create(architecture, classes, height_px, width_px)


def download_timm(cfg: PretrainedCfg, classes: int, height_px: int, width_px: int) -> nn.Module:
    """The same with timm's pretrained weights in its trunk, and a fresh head.

    Raises:
        CdulEdgeError: there are no such weights, or they could not be downloaded.
    """
    name = f"{TIMM}{cfg.architecture}"
    if not cfg.has_weights:
        raise CdulEdgeError(
            f"timm has no pretrained weights of {name}: give --weights FILE, or --weights none"
        )
    full = f"{cfg.architecture}.{cfg.tag}" if cfg.tag else str(cfg.architecture)
    try:
        with quiet_loggers("huggingface_hub"):  # one error says what came of every retry
            return _create(full, classes, height_px, width_px, pretrained=True)
    except _DOWNLOAD_FAULTS as error:
        if isinstance(error, CdulEdgeError):
            raise
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        source = f"https://huggingface.co/{cfg.hf_hub_id}" if cfg.hf_hub_id else cfg.url
        raise CdulEdgeError(
            f"the weights of {name} could not be downloaded ({reason}): fetch them from {source} "
            "on another machine and give --weights FILE, or --weights none"
        ) from error


def load_file(network: nn.Module, name: str, weights: str) -> str:
    """Fill everything but the head from a file.

    Names and shapes are tried as they are, then as timm's own conversion for this architecture
    makes them, which also fits position embeddings to another input size.

    Args:
        name: what to call the network in a complaint.
        weights: a .safetensors, .pth or .pt file with a state dict or a checkpoint.

    Returns:
        One line that says what was filled, what starts fresh, and what of the file was not used.

    Raises:
        CdulEdgeError: the file holds no state dict, or more than the head is missing in it.
    """
    given = read_state(Path(weights))
    heads = tuple(f"{head}." for head in find_heads(network))
    wanted = network.state_dict()
    # Counters of batches are no weights: old files lack them.
    trunk = [k for k in wanted if not k.startswith(heads) and not k.endswith("_tracked")]
    if not any(BRANCH in key for key in given):  # a plain network's go beside new branches
        trunk = [key for key in trunk if BRANCH not in key]
    state = _best_fit(network, given, trunk)
    missing = [key for key in trunk if not _fits(key, state, wanted)]
    odd = [key for key in state if key not in wanted]
    deeper = [key for key in odd if BRANCH in key or _goes_deeper(key, network)]
    if missing or deeper:
        shown = (missing or deeper)[0]
        what = "are missing or of another shape" if missing else "of the file have no place in it"
        count = f"{len(missing)} of {len(trunk)}" if missing else str(len(deeper))
        raise CdulEdgeError(
            f"the weights {weights} do not fit {name}: {count} tensors outside the head {what}, "
            f"such as {shown}: give weights of this network"
        )
    kept = {k: v for k, v in state.items() if not k.startswith(heads) and _fits(k, state, wanted)}
    network.load_state_dict(kept, strict=False)
    fresh = [key for key in wanted if key.startswith(heads)]
    unused = [key for key in state if key not in kept and key not in fresh]
    line = f"weights {weights}: {len(trunk)} tensors filled, {_named('fresh in the head', fresh)}"
    return f"{line}, {_named('of the file not used', unused)}" if unused else line


def _create(
    name: str, classes: int, height_px: int, width_px: int, *, pretrained: bool = False
) -> nn.Module:
    architecture = name.partition(".")[0]
    cfg = get_pretrained_cfg(architecture)
    size = (height_px, width_px)
    network: nn.Module
    fixed = cfg is not None and cfg.fixed_input_size
    try:
        if fixed:
            network = timm.create_model(name, pretrained, num_classes=classes, img_size=size)
        else:
            network = timm.create_model(name, pretrained, num_classes=classes)
    except TypeError as error:
        own = cfg.input_size[1:] if cfg is not None else size
        if "img_size" not in str(error):
            raise
        if size != own:
            raise CdulEdgeError(
                f"{TIMM}{architecture} takes pictures of {own[0]}x{own[1]} px only: leave out "
                "--image-size"
            ) from error
        network = timm.create_model(name, pretrained, num_classes=classes)
    except (AssertionError, ValueError, ImportError) as error:
        raise CdulEdgeError(
            f"timm cannot build {architecture} for pictures of {height_px}x{width_px} px "
            f"({error or type(error).__name__}): choose another --image-size"
        ) from error
    reset_heads(network, classes)
    return network


def _best_fit(
    network: nn.Module, given: dict[str, Tensor], trunk: Sequence[str]
) -> dict[str, Tensor]:
    """The state as it is, or as timm's conversion for this architecture makes it."""
    wanted = network.state_dict()
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is None or all(_fits(key, given, wanted) for key in trunk):
        return given
    try:
        converted: dict[str, Tensor] = convert(dict(given), network)
    except _CONVERSION_FAULTS:  # not of this architecture: the complaint names what is missing
        return given
    return converted


def _fits(key: str, state: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return key in state and key in wanted and state[key].shape == wanted[key].shape


def _goes_deeper(key: str, network: nn.Module) -> bool:
    """Whether a tensor belongs to a later layer of a list of layers: to a deeper network."""
    modules = dict(network.named_modules())
    parts = key.split(".")
    for depth in range(1, len(parts) - 1):
        parent = modules.get(".".join(parts[:depth]))
        listed = isinstance(parent, (nn.Sequential, nn.ModuleList)) and parts[depth].isdecimal()
        if listed and not hasattr(parent, parts[depth]):
            return True
    return False


def _named(what: str, keys: Sequence[str]) -> str:
    rest = f", and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {what} ({', '.join(keys[:_SHOWN])}{rest})"


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
