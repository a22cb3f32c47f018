"""CLIP on a CUDA device sees what it sees on the CPU.

The same bodies run with the CPU in the device's place: a fault of theirs shows without a GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling import Scoring
from cdul_edge.labelling.decode.views import WholePicture
from cdul_edge.labelling.encode import encoder
from cdul_edge.labelling.store.parts import part_name, read_part
from cdul_edge.labels.manifest import read_manifest
from cdul_edge.labels.pseudo_labels import PseudoLabels


def on(device: str, *values: Any) -> Any:
    """Parameters of a test, the device first; those of CUDA need one."""
    marks = [pytest.mark.gpu] if device == "cuda" else []
    return pytest.param(device, *values, marks=marks)


@pytest.fixture(autouse=True)
def a_cpu_that_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it takes a GPU's way; the batches of a reference on the CPU come out the same."""
    monkeypatch.setattr(encoder, "QUEUING", ("cpu", "cuda"))


def cosines(out: Path) -> Any:
    """Of the seven pictures, (7, rows, 3) float32."""
    parts = [read_part(out / part_name(index), "cosines").values for index in range(3)]
    return np.concatenate(parts).astype(np.float32)


# Each bound is six times or more what the CPU's own arithmetic of that width loses here, and far
# below 0.028, the spread of these cosines. Of float32 only the order of sums differs.
@pytest.mark.parametrize(
    ("device", "precision", "off"),
    [on("cpu", "bf16", 1e-2), on("cuda", "fp32", 1e-4), on("cuda", "fp16", 2e-3),
     on("cuda", "bf16", 1e-2)],
)  # fmt: skip
def test_cosines_are_those_of_the_cpu(
    label: Any, tmp_path: Path, device: str, precision: str, off: float
) -> None:
    label(out=tmp_path / "reference", device="cpu", precision="fp32")
    label(out=tmp_path / "tried", device=device, precision=precision)
    found, expected = cosines(tmp_path / "tried"), cosines(tmp_path / "reference")
    assert np.abs(found - expected).max() <= off
    assert expected.std() > 0.02


@pytest.mark.parametrize(("device", "precision"), [on("cpu", "fp32"), on("cuda", "fp16")])
def test_the_device_chooses_its_precision(
    label: Any, tmp_path: Path, device: str, precision: str
) -> None:
    label(out=tmp_path / "labels", device=device)
    manifest = read_manifest(tmp_path / "labels")
    assert manifest is not None
    assert manifest.model is not None
    assert manifest.model.precision == precision


@pytest.mark.parametrize("device", [on("cpu"), on("cuda")])
def test_patches_are_those_of_the_cpu(
    label: Any, tiny_vit: Path, tmp_path: Path, device: str
) -> None:
    for out, place in (("reference", "cpu"), ("tried", device)):
        label(
            out=tmp_path / out, clip=str(tiny_vit), scoring=Scoring("patches"),
            views=WholePicture(), device=place, precision="fp32",
        )  # fmt: skip
    found, expected = cosines(tmp_path / "tried"), cosines(tmp_path / "reference")
    assert found.shape == (7, 17, 3)
    # Patches are kept in half precision: of a unit vector's 16 numbers each may be rounded the
    # other way, by at most 2**-11, and the texts are unit vectors too: 4 * 2**-11 in all.
    assert np.abs(found - expected).max() <= 2e-3
    assert len(PseudoLabels.read(tmp_path / "tried").scores) == 7


@pytest.mark.parametrize("device", [on("cpu"), on("cuda")])
def test_what_cannot_be_read_shifts_nothing(
    label: Any, pictures: Path, tmp_path: Path, device: str
) -> None:
    label(out=tmp_path / "before", device="cpu")
    for name in ("001.jpg", "003.jpg", "004.jpg"):
        (pictures / name).write_bytes(b"no picture")
    result = label(out=tmp_path / "after", device=device, precision="fp32", workers=1)
    assert [one.path for one in result.skipped] == ["001.jpg", "003.jpg", "004.jpg"]
    kept = [0, 2, 5, 6]
    assert np.abs(cosines(tmp_path / "after") - cosines(tmp_path / "before")[kept]).max() <= 1e-4
