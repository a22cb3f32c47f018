"""CLIP on a CUDA device sees what it sees on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling import Scoring
from cdul_edge.labelling.decode.views import WholePicture
from cdul_edge.labelling.store.parts import part_name, read_part
from cdul_edge.labels.pseudo_labels import PseudoLabels

pytestmark = pytest.mark.gpu


def cosines(out: Path) -> Any:
    """(7, 10, 3) of the seven pictures."""
    return np.concatenate([read_part(out / part_name(i), "cosines").values for i in range(3)])


# Half the distance between neighbors near 1 is 2**-9 in bfloat16 and 2**-12 in half precision; a
# tower of some twenty layers adds a few of these up. float32 differs by the order of sums only.
@pytest.mark.parametrize(("precision", "off"), [("fp32", 1e-4), ("fp16", 2e-2), ("bf16", 1e-1)])
def test_cosines_are_those_of_the_cpu(
    label: Any, tmp_path: Path, precision: str, off: float
) -> None:
    label(out=tmp_path / "cpu", device="cpu", precision="fp32")
    label(out=tmp_path / "cuda", device="cuda", precision=precision)
    found, expected = cosines(tmp_path / "cuda"), cosines(tmp_path / "cpu")
    assert np.abs(found - expected).max() <= off
    assert found.std() > 0


def test_patches_give_the_labels_of_the_cpu(label: Any, tiny_vit: Path, tmp_path: Path) -> None:
    scores = []
    for device in ("cpu", "cuda"):
        label(
            out=tmp_path / device, clip=str(tiny_vit), scoring=Scoring("patches"),
            views=WholePicture(), device=device, precision="fp32",
        )  # fmt: skip
        scores.append(PseudoLabels.read(tmp_path / device).scores)
    # The softmax multiplies what cosines differ by, 1e-4 at most as above, by a hundred.
    assert np.abs(scores[0] - scores[1]).max() <= 1e-2
