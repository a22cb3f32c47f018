"""A result file is written wherever the benchmark ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import record as record_module
from benchmarks.record import record


def test_a_machine_without_git_loses_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "RESULTS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    file = record("example", {"map": 80.0}, threads=1)
    found = json.loads(file.read_text())
    assert (found["commit"], found["figures"]) == ("unknown", {"map": 80.0})
