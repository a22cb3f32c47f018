"""Why ONNX Runtime's plugin for TensorRT for RTX is not offered: docs/executed.md quotes this."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cdul_edge_runtime.host.machine import nvidia_driver_there

DOCUMENT = Path(__file__).parents[4] / "docs" / "executed.md"
PLUGIN, VERSION = "onnxruntime-ep-nv-tensorrt-rtx-cu13", "0.5.0"
SAYS = "libcuda.so.1: cannot open shared object file"
REGISTER = """
import onnxruntime, onnxruntime_ep_nv_tensorrt_rtx as plugin
try:
    onnxruntime.register_execution_provider_library(plugin.get_ep_name(), plugin.get_library_path())
except Exception as error:
    print(error)
print([device.ep_name for device in onnxruntime.get_ep_devices()])
"""


def test_the_guide_quotes_what_was_seen() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(part in text for part in (f"`{PLUGIN}` {VERSION}", f"`{SAYS}`"))


@pytest.mark.network  # 146 MB
@pytest.mark.skipif(nvidia_driver_there(), reason="with NVIDIA's driver it may load")
def test_it_does_not_load_without_the_driver(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    python = tmp_path / "bin/python"
    wanted = ("onnxruntime>=1.24", f"{PLUGIN}=={VERSION}", "numpy")
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    said = subprocess.run([python, "-c", REGISTER], capture_output=True, text=True, check=True)
    assert SAYS in said.stdout
    assert "NvTensorRTRTXExecutionProvider" not in said.stdout.splitlines()[-1]
