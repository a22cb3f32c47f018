"""Whether this machine can compute in bf16: only some CPUs do, and only with OpenVINO."""

from __future__ import annotations

import pytest

from cdul_edge_runtime.backends.openvino.units import cpu_computes_bf16


def skip_without_bf16() -> None:
    """Skip the test where bf16 cannot be tried, with the reason."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    if not cpu_computes_bf16():
        pytest.skip("this CPU does not compute in bf16")
