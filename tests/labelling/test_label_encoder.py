"""Labeling with another library: what the folder says of it, and how it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling.store.parts import part_name, read_part
from cdul_edge_runtime.errors import LabelsError


def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return found


def cosines(out: Path, part: int) -> Any:
    return read_part(out / part_name(part), "cosines").values


@pytest.mark.parametrize("library", ["openvino", "onnx"])
def test_cosines_are_torchs_to_rounding_and_the_manifest_names_the_library(
    label: Any, tmp_path: Path, library: str
) -> None:
    label()
    label(out=tmp_path / library, encoder=library)
    assert manifest(label.out)["model"]["encoder"] == "torch"
    assert manifest(tmp_path / library)["model"]["encoder"] == library
    for part in range(3):
        found, expected = cosines(tmp_path / library, part), cosines(label.out, part)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-4


def test_a_folder_keeps_the_library_it_was_begun_with(label: Any, paint: Any) -> None:
    label(encoder="openvino")
    first = label.parts()
    (label.out / part_name(1)).unlink()
    label(repair=True)
    assert manifest(label.out)["model"]["encoder"] == "openvino"
    assert label.parts() == first


def test_another_library_is_refused_by_name_and_taken_with_force(label: Any) -> None:
    label(encoder="openvino")
    with pytest.raises(LabelsError, match=r"encoder openvino \(now torch\): .* --force"):
        label(encoder="torch")
    label(encoder="torch", force=True)
    assert manifest(label.out)["model"]["encoder"] == "torch"


def test_a_folder_of_before_the_choice_is_torchs(label: Any) -> None:
    label()
    first = label.parts()
    content = manifest(label.out)
    del content["model"]["encoder"]
    (label.out / "manifest.json").write_text(json.dumps(content))
    (label.out / part_name(1)).unlink()
    label(repair=True)
    assert label.parts() == first
    with pytest.raises(LabelsError, match=r"encoder torch \(now openvino\)"):
        label(encoder="openvino")
