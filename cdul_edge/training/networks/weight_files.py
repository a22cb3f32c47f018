"""Weights that lie in a file: read as a state dict, whoever saved it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cdul_edge.clip.tensor_files import TensorFileError, read_tensors
from cdul_edge_runtime.errors import CdulEdgeError

_ENDINGS = (".pt", ".pth", ".safetensors")


def names_file(weights: str) -> bool:
    """Whether a value of --weights means a file, also one that is not there."""
    file = Path(weights)
    return file.is_file() or file.suffix in _ENDINGS


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a state dict, also one inside a checkpoint; no code of it is run.

    Raises:
        CdulEdgeError: no such file, one that holds no state dict, or values that are not finite.
    """
    if not path.is_file():
        raise CdulEdgeError(f"the weights {path} do not exist: check --weights")
    try:
        content = read_tensors(path)
    except TensorFileError as error:
        raise CdulEdgeError(
            f"the weights {path} cannot be read ({error}): give a .safetensors file or a state "
            "dict that torch.save wrote"
        ) from error
    for wrapper in ("network", "state_dict", "model"):  # checkpoints that wrap a state dict
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = isinstance(content, dict) and all(isinstance(v, Tensor) for v in content.values())
    if not content or not tensors:
        raise CdulEdgeError(f"{path} holds no state dict of tensors: give weights of a network")
    for key, value in content.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise CdulEdgeError(
                f"the weights {path} are not finite in {key}: give weights of a run that did not "
                "diverge"
            )
    return {str(key).removeprefix("module."): value for key, value in content.items()}
