"""The residual ConvNet, the ranges of its tensors, and a bundle of it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from cdul_edge_calibration.data.ranges import Ranges, measure_ranges
from tests.fakes.recorded_console import RecordedConsole
from tests.fakes.residual_network import build_residual, pictures, write_residual_bundle


@pytest.fixture
def console() -> RecordedConsole:
    return RecordedConsole()


@pytest.fixture
def residual() -> onnx.ModelProto:
    """A fresh copy of the residual ConvNet: a test may change it."""
    return build_residual()


@pytest.fixture(scope="session")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> Ranges:
    """Ranges of the residual ConvNet on 64 pictures."""
    path = tmp_path_factory.mktemp("ranges") / "model.onnx"
    onnx.save(build_residual(), path)
    return measure_ranges(path, lambda: iter([pictures(64)]))


@pytest.fixture
def residual_bundle(tmp_path: Path) -> Path:
    """A bundle of the residual ConvNet."""
    return write_residual_bundle(tmp_path / "residual")
