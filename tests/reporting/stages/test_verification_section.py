from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.shown_page import show

MISS = "decisions that flip on the pictures, percent"
FLIP = {
    "picture": "a.png",
    "label": "cat & dog",
    "reference": 0.25,
    "score": 0.75,
    "threshold": 0.5,
}
ROW: dict[str, Any] = {
    "device": "cpu",
    "precision": "int8-cpu",
    "backend": "onnxruntime 1, CPUExecutionProvider",
    "accuracy_only": False,
    "passed": True,
    "verdict": "unsure",
    "checks": [
        {
            "name": MISS, "value": 12.5, "limit": 20.0, "passed": True, "verdict": "unsure",
            "interval": [1.5, 41.25], "pictures": 4, "pictures_needed": 90,
        },
        {"name": "the same batch again", "value": None, "limit": 0.0, "passed": False,
         "verdict": "broken"},
    ],
    "max_error": 0.5,
    "mean_error": 0.125,
    "flip_rate": 0.0,
    "peak_memory_mib": 100.5,
    "device_memory_mib": None,
    "latency": {"network": {"p50_ms": 0.25, "p95_ms": 0.5, "p99_ms": 0.75, "repeats": 9}},
    "throughput": {"1": 10.5, "8": None},
    "failure": None,
    "pictures": {
        "count": 4, "flip_rate": 0.125, "flip_rate_interval": [0.015, 0.4125], "truth": "given",
        "map_fp32": 85.25, "map": 85.0, "flipped_decisions": 1, "flipped": [FLIP],
    },
}  # fmt: skip
REPORT: dict[str, Any] = {
    "format": 2,
    "program": "cdul-edge",
    "version": "0.1.0",
    "stage": "verify",
    "passed": True,
    "verdict": "unsure",
    "bundle": "bundle",
    "manifest_sha256": "0" * 64,
    "rows": [ROW],
    "unavailable": [{"device": "cuda", "precision": "fp16", "reason": "no GPU <here>"}],
    "pictures": {"count": 4, "unreadable": [], "truth": "given"},
    "power": {},
    "warnings": ["int8-cpu is slower"],
    "machine": {"cpu": "A Processor", "cores": 2, "memory_mib": 2048, "system": "Linux"},
    "versions": {"numpy": "2.0"},
}


def write(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "verify.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def changed(**row: Any) -> dict[str, Any]:
    content = deepcopy(REPORT)
    content["rows"][0].update(row)
    return content


def test_figures_keep_their_names_and_values_and_flips_show_their_picture(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (255, 0, 0)).save(tmp_path / "a.png")
    content = deepcopy(REPORT)
    content["pictures"]["root"] = str(tmp_path)
    page = show(tmp_path, write(tmp_path, content))
    facts = page.at("/sections/verify")
    assert isinstance(facts, dict)
    assert facts["verdict"] == "unsure"
    (row,) = facts["rows"]
    for name in ("device", "precision", "max_error", "latency", "throughput", "peak_memory_mib"):
        assert row[name] == ROW[name]
    assert row["checks"][0] == ROW["checks"][0]
    assert row["pictures"]["flipped"] == [FLIP]
    assert row["thumbnails"] == ["p0"]
    for text in (
        "cat &amp; dog",
        "not given",
        "no GPU &lt;here&gt;",
        "int8-cpu is slower",
        "12.50",
    ):
        assert text in page.html
    assert page.html.count("data:image/webp") == 1


def test_without_the_pictures_at_hand_the_flips_are_still_named(tmp_path: Path) -> None:
    page = show(tmp_path, write(tmp_path, REPORT))
    assert page.at("/sections/verify/rows/0/thumbnails") == [None]
    assert "cat &amp; dog" in page.html
    assert "no picture" in page.html


def test_a_report_of_before_flips_were_named_and_rows_without_pictures_are_shown(
    tmp_path: Path,
) -> None:
    old = {k: v for k, v in ROW["pictures"].items() if not k.startswith("flipped")}
    page = show(tmp_path, write(tmp_path, changed(pictures=old)))
    assert page.at("/sections/verify/rows/0/pictures/flipped") == []
    assert "which decisions flipped is not in this file" in page.html
    page = show(tmp_path, write(tmp_path, changed(pictures={})))
    assert page.at("/sections/verify/rows/0/pictures") is None


def test_a_device_that_failed_has_its_reason_and_dashes(tmp_path: Path) -> None:
    nothing = {"max_error": None, "mean_error": None, "flip_rate": None, "peak_memory_mib": None}
    row = changed(
        checks=[], latency={}, throughput={}, pictures={}, verdict="broken", backend="",
        failure="out of memory", **nothing,
    )  # fmt: skip
    page = show(tmp_path, write(tmp_path, row))
    assert "out of memory" in page.html
    assert page.at("/sections/verify/rows/0/max_error") is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (json.dumps(changed(max_error=float("nan"))), "NaN"),
        (json.dumps(changed(checks=[{"name": "x"}])), r"rows\[0\].checks\[0\].value is missing"),
        (json.dumps(changed(verdict="fine")), r"rows\[0\].verdict is 'fine'"),
        (json.dumps({**REPORT, "format": 1}), "format 1"),
        (json.dumps(REPORT)[:-9], "not valid JSON"),
    ],
)
def test_what_is_damaged_is_one_line_that_names_the_file(
    tmp_path: Path, content: str, told: str
) -> None:
    file = tmp_path / "verify.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(CdulEdgeError, match=told) as raised:
        show(tmp_path, file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
