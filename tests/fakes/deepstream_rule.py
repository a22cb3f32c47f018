"""How DeepStream's stock classifier reads output layers, written anew from NVIDIA's sources.

sources/libs/nvdsinfer/nvdsinfer_context_impl_output_parsing.cpp:
`ClassifyPostprocessor::parseAttributesFromSoftmaxLayers` and `fillClassificationOutput`; its labels
file as `parseLabelsFile` in nvdsinfer_context_impl.cpp reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt


def read_labels(file: Path) -> list[list[str]]:
    """A list a line that is not empty, with what stands between semicolons."""
    lines = file.read_bytes().decode().split("\n")
    return [line.split(";") for line in lines if line]


def stock_attributes(
    layers: Sequence[npt.NDArray[np.float32]], labels: list[list[str]], threshold: float
) -> list[tuple[str | None, np.float32]]:
    """(label, probability) of one picture, at most one a layer; a layer is (K,).

    The largest value wins, if it is strictly above the threshold and above 0; of equals the first.
    """
    found: list[tuple[str | None, np.float32]] = []
    for index, layer in enumerate(layers):
        best, value = None, np.float32(0)
        for column, probability in enumerate(layer):
            if probability > np.float32(threshold) and probability > value:
                best, value = column, probability
        if best is None:
            continue
        known = index < len(labels) and best < len(labels[index])
        found.append((labels[index][best] if known else None, value))
    return found
