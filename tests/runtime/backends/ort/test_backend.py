"""How a session is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdul_edge_runtime.backends.ort.backend import OrtBackend


def test_threads_of_a_session_do_not_spin_between_pictures(bundle: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    backend = OrtBackend(bundle / "model.fp32.onnx", threads=2)
    assert isinstance(backend._session, onnxruntime.InferenceSession)
    options = backend._session.get_session_options()
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert options.intra_op_num_threads == 2
