"""Whether OpenVINO gives what the bundle's reference images were given by PyTorch."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from cdul_edge_runtime.backends.openvino.backend import OpenVinoBackend
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.device_choice import CpuThreads

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed"
)


def check_openvino(bundle: Bundle, within: float = 1e-5) -> None:
    """In FP32; nothing is checked where OpenVINO is not installed."""
    if find_spec("openvino") is None:
        return
    backend = OpenVinoBackend(bundle.model_path(), threads=CpuThreads(1))
    reference = bundle.reference()
    assert np.abs(backend.infer(reference.inputs) - reference.scores).max() <= within
    backend.close()
