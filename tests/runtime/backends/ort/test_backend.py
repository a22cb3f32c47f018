"""How a session is started, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import DeviceError
from tests.fakes.openvino_agreement import needs_openvino


def _options_of(session: object) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    assert isinstance(session, onnxruntime.InferenceSession)
    return session.get_session_options()


def test_threads_of_a_session_do_not_spin_between_pictures(bundle: Path) -> None:
    options = _options_of(OrtBackend(bundle / "model.fp32.onnx", threads=CpuThreads(2))._session)
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert options.intra_op_num_threads == 2


def test_threads_do_not_spin_within_a_run_where_that_is_asked(bundle: Path) -> None:
    with Classifier.load(bundle, device="cpu", threads=2, spin=False) as classifier:
        backend = classifier._backend
        assert isinstance(backend, OrtBackend)
        options = _options_of(backend._session)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == 2


@pytest.mark.parametrize("device", ["cpu", pytest.param("openvino", marks=needs_openvino)])
@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        (np.zeros((2, 9, 8, 3), np.uint8), "2 pictures of 9x8 px"),
        (np.zeros((1, 8, 8, 3), np.float32), "1 picture of 8x8 px"),
    ],
)
def test_inputs_that_the_graph_does_not_take_are_refused_in_one_line(
    inputs: np.ndarray, named: str, device: str, bundle: Path
) -> None:
    with (
        Classifier.load(bundle, device=device) as classifier,
        pytest.raises(DeviceError, match=named) as caught,
    ):
        classifier.predict_inputs(inputs)
    assert "\n" not in str(caught.value)
