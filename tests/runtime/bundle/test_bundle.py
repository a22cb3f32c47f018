from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle, Reference
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import Manifest, Precision
from cdul_edge_runtime.errors import BundleError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.pictures.preprocess import Preprocess


def change_manifest(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = bundle / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def fault_of(bundle: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Bundle.load(bundle)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_manifest_reads_back_as_it_was_written(bundle: Path) -> None:
    manifest = Bundle.load(bundle).manifest
    again = Manifest.from_dict(json.loads(manifest.to_json()))
    assert again.to_dict() == manifest.to_dict()
    assert again.thresholds.tolist() == [0.5, 0.5, float("inf")]
    assert manifest.to_dict()["thresholds"] == [0.5, 0.5, None]


def test_the_resizer_stands_where_earlier_versions_do_not_look(bundle: Path) -> None:
    content = read_json(bundle / MANIFEST)
    assert content["resampling"]["like"] == "Pillow, antialiased"
    assert (content["resampling"]["levels"], content["resampling"]["reference"]) == (1, "Pillow")
    content["resampling"]["reference"] = "cykooz-resizer 4.0.1"
    assert Manifest.from_dict(content).resampling.reference == "cykooz-resizer 4.0.1"
    known = {"height_px", "width_px", "resize", "interpolation", "mean", "std"}
    assert set(content["preprocess"]) == known  # every version refuses what it does not know there
    del content["resampling"]
    assert Manifest.from_dict(content).resampling.reference == "Pillow"


def test_a_reference_reads_back_as_it_was_written(tmp_path: Path) -> None:
    inputs = np.arange(2 * 8 * 8 * 3).reshape(2, 8, 8, 3).astype(np.uint8)
    scores = np.array([[0.25, 1.0], [0.0, 0.5]], np.float32)
    Reference(inputs, scores, ("a", "b")).write(tmp_path / "r.npz")
    again = Reference.read(tmp_path / "r.npz")
    assert (again.inputs == inputs).all()
    assert (again.scores == scores).all()
    assert again.names == ("a", "b")


def test_files_beside_the_bundles_own_do_not_matter(bundle: Path) -> None:
    (bundle / "engines").mkdir()
    (bundle / "model.int8.onnx").write_bytes(b"later")
    assert Bundle.load(bundle).model_path().name == "model.fp32.onnx"


def test_a_precision_names_its_file_and_a_bundle_without_it_says_so(bundle: Path) -> None:
    assert Precision.INT8_CPU.file_name == "model.int8-cpu.onnx"
    with pytest.raises(BundleError, match="has no fp16 model: make one with"):
        Bundle.load(bundle).model_path(Precision.FP16)


def test_one_changed_byte_is_found(bundle: Path) -> None:
    model = bundle / "model.fp32.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    assert "model.fp32.onnx is not the file its manifest names (sha256 " in fault_of(bundle)


def test_all_faults_of_a_bundle_stand_in_one_line(bundle: Path) -> None:
    (bundle / "model.fp32.onnx").unlink()
    with (bundle / "reference.npz").open("ab") as file:
        file.write(b"x")
    fault = fault_of(bundle)
    assert "model.fp32.onnx is missing" in fault
    assert "reference.npz has " in fault
    assert "export it again" in fault


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "a/../../b", "..\\b", "C:b", ""])
def test_a_path_that_leaves_the_folder_is_refused(bundle: Path, name: str) -> None:
    record = {"sha256": "0", "bytes": 1}
    change_manifest(bundle, lambda content: content["files"].update({name: record}))
    assert "leaves the folder" in fault_of(bundle)


def test_a_link_that_leaves_the_folder_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / "model.fp32.onnx", tmp_path / "outside.onnx")
    (bundle / "model.fp32.onnx").symlink_to(tmp_path / "outside.onnx")
    assert "link that leaves the folder" in fault_of(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=99), "has format 99, this program reads 1"),
        (lambda c: c.update(program="other"), "is not a manifest of cdul-edge"),
        (lambda c: c.update(thresholds=[0.5]), "1 thresholds for 3 classes"),
        (lambda c: c.update(thresholds=[0.5, "x", 0.5]), "is damaged"),
        (lambda c: c.update(classes=["a", "A", "b"]), "differ only in case"),
        (lambda c: c["preprocess"].update(std=[0, 1, 1]), "is damaged"),
        (lambda c: c.pop("graph"), "is damaged ('graph' is missing)"),
        (lambda c: c.update(kind="labels"), "tells of labels: give a folder that"),
        (lambda c: c["files"].pop("model.fp32.onnx"), "names no model.fp32.onnx"),
    ],
)
def test_a_manifest_with_a_fault_says_which(
    bundle: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_manifest(bundle, change)
    assert message in fault_of(bundle)


def test_what_is_no_bundle_says_so(tmp_path: Path, bundle: Path) -> None:
    assert "is not a folder" in fault_of(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "it is not a bundle" in fault_of(tmp_path / "empty")
    (bundle / "manifest.json").write_text('{"format": 1, ', encoding="utf-8")
    assert "is not valid JSON" in fault_of(bundle)
    (bundle / "manifest.json").write_text("[1]", encoding="utf-8")
    assert "is not a manifest" in fault_of(bundle)


def test_a_reference_of_another_size_or_class_count_is_refused(
    make_bundle: Callable[..., Path],
) -> None:
    folder = make_bundle(preprocess=Preprocess(16, 16), classes=ClassList(("a", "b", "c")))
    with pytest.raises(BundleError, match=r"\(8, 8, 3\), the manifest says \(16, 16, 3\)"):
        Bundle.load(folder).reference()


def test_a_reference_is_never_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "reference.npz"
    np.savez(file, inputs=np.array([print], dtype=object), scores=np.ones(1), names=["a"])
    with pytest.raises(BundleError, match="not a readable reference"):
        Reference.read(file)


def test_reference_scores_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(BundleError, match=r"in \[0, 1\]"):
        Reference(np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 2), np.nan, np.float32), ("a",))


def test_files_are_read_while_a_block_runs_and_a_changed_one_ends_it(bundle: Path) -> None:
    with Bundle.checked_meanwhile(bundle) as (opened, check):
        check.result()
    assert opened.manifest.to_dict() == Bundle.load(bundle).manifest.to_dict()
    model = bundle / "model.fp32.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    with (
        pytest.raises(BundleError, match=r"fp32\.onnx is not the file"),
        Bundle.checked_meanwhile(bundle) as (_, check),
    ):
        raise ValueError("what a changed file may lead to")
    with pytest.raises(BundleError), Bundle.checked_meanwhile(bundle) as (_, check):
        check.result()
        raise AssertionError("it should have been raised before")
