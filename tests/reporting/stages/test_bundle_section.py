from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.measured import BenchRun, Measured, Subject, Timing
from cdul_edge_runtime.bundle.precision_record import Limits
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.shown_page import show

LAYER = {"layer": "conv<1>", "weights": 9, "mean_error": 0.125, "max_error": 0.5, "flip_rate": 0.25}
ABOUT = {"format": 1, "program": "cdul-edge", "version": "0", "stage": "sensitivity"}


def test_a_bundle_shows_what_its_manifest_and_records_say(
    tmp_path: Path, bundle: Path, add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.INT8_CPU, limits=Limits(0.5, 0.02, 0.05))
    (bundle / "sensitivity.json").write_text(
        json.dumps({**ABOUT, "pictures": 8, "layers": [LAYER]})
    )
    subject = Subject("cpu", Precision.FP32, "0" * 64, "onnxruntime 1")
    run = BenchRun("2026-01-01T00:00:00+00:00", 2, (Timing(subject, 0.25, 1.5),))
    (bundle / "engines").mkdir()
    Measured("A Processor", ("avx2",), (run,)).write(bundle)
    page = show(tmp_path, bundle)
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    at = "/sections/bundle"
    classes = page.at(f"{at}/classes")
    assert isinstance(classes, list)
    assert [one["name"] for one in classes] == manifest["classes"]
    assert [one["threshold"] for one in classes] == manifest["thresholds"] == [0.5, 0.5, None]
    assert page.at(f"{at}/parity/limit") == manifest["parity"]["limit"]
    files = page.at(f"{at}/files")
    assert isinstance(files, list)
    assert {one.pop("name"): one for one in files} == manifest["files"]
    precisions = page.at(f"{at}/precisions")
    assert isinstance(precisions, list)
    assert [one["precision"] for one in precisions] == ["fp32", "bf16", "int8-cpu"]
    record = json.loads((bundle / "model.int8-cpu.json").read_bytes())
    *_, int8 = precisions
    assert (int8["map"], int8["map_drop"], int8["flip_rate"]) == (100.0, 0.0, 0.0)
    assert int8["limits"] == record["limits"]
    assert int8["sha256"] == record["sha256"]
    assert int8["verdict"] == "ok"
    assert page.at(f"{at}/reference_pictures") == 3
    assert page.at(f"{at}/sensitivity/layers") == [LAYER]
    assert page.at(f"{at}/measured/runs/0/rows/0/end_to_end_ms") == 1.5
    assert "conv&lt;1&gt;" in page.html
    assert "never" in page.html


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("model.fp32.onnx", "model.fp32.onnx"),
        ("model.int8-cpu.json", "model.int8-cpu.json"),
        ("sensitivity.json", "sensitivity.json"),
        ("engines/measured.json", "measured.json"),
    ],
)
def test_a_damaged_file_of_a_bundle_is_one_line(
    tmp_path: Path, bundle: Path, add_precision: Callable[..., None], name: str, told: str
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text('{"program": "cdul-edge"}')
    with pytest.raises(CdulEdgeError, match=told) as raised:
        show(tmp_path, bundle)
    assert "\n" not in str(raised.value)
