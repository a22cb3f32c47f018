"""The client of examples/triton gives what `predict` gives, over Triton's own protocol."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tritonclient.grpc", reason="Triton's client is not installed")
pytest.importorskip("onnxruntime")

from cdul_edge_export import ExportConfigRequest, export_config
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.host.console import SilentConsole
from examples.triton import client
from tests.fakes.triton_server import serve


def test_it_prints_what_predict_says_in_batches_that_the_model_takes(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pictures are of another size, and the threshold is not the bundle's own."""
    paths = []
    for number in range(5):
        pixels = np.full((20, 30, 3), 50 * number, np.uint8)
        pixels[..., number % 3] = 255
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    request = ExportConfigRequest(
        "triton", bundle, tmp_path / "models", batch_size=2, threshold=0.6
    )
    export_config(request, SilentConsole())
    with serve(tmp_path / "models" / "bundle") as (url, batches):
        words = ["client.py", "--model", "bundle", "--url", url, *map(str, paths)]
        monkeypatch.setattr(sys, "argv", words)
        client.main()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert batches == [2, 2, 1]
    assert [line["path"] for line in said] == [str(path) for path in paths]
    with Classifier.load(bundle, device="cpu") as classifier:
        for path, line in zip(paths, said, strict=True):
            scores = classifier.predict(path).scores
            np.testing.assert_allclose(list(line["scores"].values()), scores, atol=1e-6)
            above = [
                name for name, score in zip(classifier.classes, scores, strict=True) if score >= 0.6
            ]
            assert sorted(line["labels"]) == sorted(above)
    assert any(line["labels"] for line in said)
