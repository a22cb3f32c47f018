"""A real Triton takes what `export-config triton` writes; it has to be named, as it is no wheel."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TRITON = os.environ.get("CDUL_EDGE_TRITON")

pytestmark = pytest.mark.skipif(
    TRITON is None,
    reason="CDUL_EDGE_TRITON names no environment with nvidia-pytriton and onnxruntime",
)


def test_a_real_triton_answers_as_predict_does(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("tritonclient.grpc", reason="Triton's client is not installed")
    from benchmarks.triton_server import measure

    assert TRITON is not None
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        pixels[..., number % 3] = 250
        Image.fromarray(pixels).save(folder / f"{number}.png")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    figures = measure(bundle, folder, Path(TRITON), port)
    assert (figures["pictures"], figures["decisions"], figures["differ"]) == (20, 60, 0)
    assert "unexpected shape for input 'images'" in str(figures["wrong_shape"])
    assert figures["label_of_its_classification"] is True
