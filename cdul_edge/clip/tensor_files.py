"""Weights and states as `torch.save` or safetensors wrote them; no code of the file is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


class TensorFileError(ValueError):
    """A file that holds no tensors, or not any more; the text is the reason, in one line."""


def read_tensors(file: Path) -> Any:
    """Tensors on the CPU and plain values, in whatever nesting they were saved.

    Raises:
        TensorFileError: it cannot be read.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        raise TensorFileError(reason or type(error).__name__) from error
