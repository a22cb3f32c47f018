from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.shown_page import show

LATENCY = {"p50_ms": 0.25, "p95_ms": 0.5, "p99_ms": 0.75, "repeats": 9}
ROW: dict[str, Any] = {
    "device": "cpu",
    "precision": "fp32",
    "backend": "onnxruntime 1",
    "threads": 2,
    "peak_memory_mib": 100.5,
    "device_memory_mib": None,
    "failure": None,
    "latency": {"network": LATENCY, "end_to_end": LATENCY},
    "throughput": {"1": 1000.5, "4": 2000.0, "16": None},
}
FAILED = {
    **ROW, "device": "cuda", "threads": None, "latency": {}, "throughput": {},
    "failure": "no <GPU>", "peak_memory_mib": None, "backend": "",
}  # fmt: skip
REPORT: dict[str, Any] = {
    "program": "cdul-edge",
    "version": "0",
    "format": 1,
    "stage": "bench",
    "bundle": "bundle",
    "rows": [ROW, FAILED],
    "effort": {"repeats": 30, "warm_up": 5, "budget_s": 10.0},
    "unavailable": [],
    "machine": {"cpu": "A Processor", "cores": 2, "memory_mib": 2048, "system": "Linux"},
    "versions": {"numpy": "2.0"},
}


def write(folder: Path, **changes: Any) -> Path:
    file = folder / "bench.json"
    file.write_text(json.dumps({**REPORT, **changes}))
    return file


def test_figures_keep_their_names_and_values(tmp_path: Path) -> None:
    page = show(tmp_path, write(tmp_path))
    row = page.at("/sections/bench/rows/0")
    assert isinstance(row, dict)
    assert row == {name: ROW[name] for name in row}
    assert page.at("/sections/bench/effort/repeats") == 30
    assert "no &lt;GPU&gt;" in page.html
    assert page.html.count('<svg class="chart"') == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": [{**ROW, "threads": "two"}]}, r"rows\[0\].threads"),
        ({"rows": [{**ROW, "latency": {"network": {"p50_ms": 1}}}]}, "p95_ms is missing"),
        ({"machine": None}, "machine is not an object"),
        ({"format": 7}, "format 7"),
        ({"effort": {**REPORT["effort"], "budget_s": float("inf")}}, "Infinity"),
    ],
)
def test_what_is_damaged_is_one_line(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    file = write(tmp_path, **changes)
    with pytest.raises(CdulEdgeError, match=told) as raised:
        show(tmp_path, file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
