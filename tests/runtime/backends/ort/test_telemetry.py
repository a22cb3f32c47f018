"""ONNX Runtime leaves no number of this machine behind, and reports to nobody."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cdul_edge_runtime.host.child_python import child_command, child_environment

PREDICT = """
import sys
from cdul_edge_runtime.classifier import Classifier
import numpy as np
with Classifier.load(sys.argv[1], device="cpu") as classifier:
    classifier.predict(np.zeros((8, 8, 3), np.uint8))
"""


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_telemetry_is_off_unless_somebody_wants_it(given: str | None, expected: str) -> None:
    environment = child_environment()
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    if given is not None:
        environment["ORT_DISABLE_TELEMETRY"] = given
    code = "import os, cdul_edge_runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    said = subprocess.run(
        child_command(code), env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == expected


def test_a_prediction_writes_into_no_cache(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    cache = tmp_path / "cache"
    environment = {
        **child_environment(),
        "XDG_CACHE_HOME": str(cache),
        "HOME": str(tmp_path / "home"),
    }
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run(child_command(PREDICT, str(bundle)), env=environment, check=True)
    assert not cache.exists()
    assert not (tmp_path / "home").exists()
