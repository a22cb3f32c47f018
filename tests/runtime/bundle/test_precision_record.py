from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.precision_record import Accuracy, Limits, PrecisionRecord
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import BundleError

RECORD = PrecisionRecord(
    precision=Precision.INT8,
    sha256="ab" * 32,
    bytes=12,
    source_sha256="cd" * 32,
    limits=Limits(0.5, 0.02, 0.05),
    accuracy=Accuracy(3, "the FP32 scores", 90.5, 90.25, 0.01, 0.04, 0.002, "a test"),
    within_budget=True,
    float_layers=("layer1.0.conv1", "conv1"),
    calibration={"method": "minmax", "pictures": 3, "seed": 0},
    version="1.2.3",
)


@pytest.fixture
def reduced(bundle: Path, add_precision: Callable[..., None]) -> Path:
    """A bundle with an INT8 file."""
    add_precision(bundle, Precision.INT8)
    return bundle


def refuse(folder: Path, mend: str) -> str:
    """The one line that says why there is no INT8; FP32 still loads."""
    bundle = Bundle.load(folder)
    with pytest.raises(BundleError) as error:
        bundle.model_path(Precision.INT8)
    message = str(error.value)
    assert "\n" not in message
    assert mend in message
    with Classifier.load(folder, device="cpu", precision="fp32"):
        return message


def edit(folder: Path, **changes: Any) -> None:
    path = folder / Precision.INT8.record_name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_reading_undoes_writing(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    assert PrecisionRecord.read(tmp_path, Precision.INT8) == RECORD


def test_the_mean_of_a_drop_is_points_lost() -> None:
    assert RECORD.accuracy.map_drop == 0.25


def test_a_record_says_who_made_it_and_is_plain_json(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    content = json.loads((tmp_path / "model.int8.json").read_text())
    about = {key: content[key] for key in ("format", "program", "stage", "precision", "version")}
    assert about == {
        "format": 1,
        "program": "cdul-edge",
        "stage": "calibrate",
        "precision": "int8",
        "version": "1.2.3",
    }


def test_a_bundle_knows_its_precisions_and_finds_their_files(reduced: Path) -> None:
    bundle = Bundle.load(reduced)
    assert bundle.precisions() == (Precision.FP32, Precision.BF16, Precision.INT8)
    assert bundle.model_path(Precision.INT8) == reduced / "model.int8.onnx"
    record = bundle.record(Precision.INT8)
    assert record.source_sha256 == bundle.fp32_sha256
    assert record.bytes == (reduced / "model.int8.onnx").stat().st_size


def test_a_precision_that_was_never_made_says_how_to_make_it(bundle: Path) -> None:
    assert "has no int8 model" in refuse(bundle, "`cdul-edge calibrate ")
    assert Bundle.load(bundle).precisions() == (Precision.FP32, Precision.BF16)


def test_bf16_is_the_fp32_file_and_no_other(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    assert loaded.model_path(Precision.BF16) == bundle / "model.fp32.onnx"
    assert loaded.model_sha256(Precision.BF16) == loaded.fp32_sha256
    assert Precision.BF16.shown == "fp32 as bf16"
    assert [one.shown for one in Precision if one.has_file] == ["fp32", "fp16", "int8", "int8-cpu"]


def test_what_bf16_costs_is_unknown_until_it_is_measured(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    assert not loaded.has_record(Precision.BF16)
    with pytest.raises(BundleError, match=r"does not say what bf16 costs.*--precision bf16`"):
        loaded.record(Precision.BF16)


def test_a_record_of_bf16_on_another_fp32_file_does_not_count(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    own = replace(RECORD, precision=Precision.BF16, source_sha256=loaded.fp32_sha256)
    own.write(bundle)
    assert loaded.record(Precision.BF16) == own
    replace(own, source_sha256="0" * 64).write(bundle)
    with pytest.raises(BundleError, match=r"model\.bf16\.json was made from another model\.fp32"):
        loaded.record(Precision.BF16)


def test_an_onnx_file_without_its_record_does_not_count(reduced: Path) -> None:
    (reduced / Precision.INT8.record_name).unlink()
    assert "has no int8 model" in refuse(reduced, "`cdul-edge calibrate ")


def test_an_onnx_file_that_was_edited_is_refused(reduced: Path) -> None:
    with (reduced / "model.int8.onnx").open("ab") as file:
        file.write(b"x")
    assert "is not the file its record names" in refuse(reduced, "--force")


def test_an_onnx_file_that_is_missing_is_refused(reduced: Path) -> None:
    (reduced / "model.int8.onnx").unlink()
    assert "model.int8.onnx is missing" in refuse(reduced, "`cdul-edge calibrate --force`")


def test_a_file_made_from_another_fp32_file_is_refused(reduced: Path) -> None:
    edit(reduced, source_sha256="00" * 32)
    found = Bundle.load(reduced).fp32_sha256
    message = refuse(reduced, "`cdul-edge calibrate --force`")
    assert "was made from another model.fp32.onnx (sha256 00000000" in message
    assert f"this one is {found[:8]}" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"program": "other"},
        {"format": 2},
        {"stage": "export"},
        {"precision": "fp16"},
        {"limits": {"max_map_drop": 1}},
        {"accuracy": None},
        {"float_layers": 3},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_record_of_something_else_is_damaged(reduced: Path, changes: dict[str, Any]) -> None:
    edit(reduced, **changes)
    assert "model.int8.json is damaged" in refuse(reduced, "make it again with")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "\x00\xff"])
def test_a_record_that_is_no_record_is_damaged(reduced: Path, content: str) -> None:
    (reduced / "model.int8.json").write_bytes(content.encode("latin-1"))
    assert "model.int8.json is damaged" in refuse(reduced, "make it again with")


def test_a_record_without_a_field_is_damaged(reduced: Path) -> None:
    path = reduced / "model.int8.json"
    for field in ("sha256", "limits", "program", "within_budget"):
        before = path.read_text()
        content = json.loads(before)
        del content[field]
        path.write_text(json.dumps(content))
        refuse(reduced, "make it again with")
        path.write_text(before)


def test_records_beside_a_manifest_do_not_change_it(reduced: Path) -> None:
    before = (reduced / MANIFEST).read_bytes()
    replace(RECORD, precision=Precision.FP16).write(reduced)
    assert (reduced / MANIFEST).read_bytes() == before
    assert Precision.FP16 in Bundle.load(reduced).precisions()
