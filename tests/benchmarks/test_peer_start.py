"""A fresh process that answers once, as the comparison with other tools starts it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.peers.start import StartJob, find_first_answer


def test_our_script_tells_its_seconds_and_its_memory(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    picture = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    found = find_first_answer(StartJob("ours", bundle, ("cpu", "fp32")), picture, 1)
    assert found.seconds > 0
    assert found.rss_mib > 20  # what numpy and ONNX Runtime alone take


def test_a_script_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        find_first_answer(StartJob("ours", tmp_path / "none", ("cpu", "fp32")), tmp_path, 1)
