"""What runs an exported tower, and says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdul_edge.clip.choices import Exported
from cdul_edge.labelling.encode.exported.sessions import open_session
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.blown_graph import write_blown_graph
from tests.fakes.noise import pictures


@pytest.mark.parametrize("library", ["openvino", "onnx"])
@pytest.mark.parametrize("threads", [1, 2])
def test_too_little_memory_is_one_line_whatever_the_threads(
    library: Exported, threads: int, tmp_path: Path
) -> None:
    pytest.importorskip("openvino" if library == "openvino" else "onnxruntime")
    session = open_session(library, write_blown_graph(tmp_path / "m.onnx"), "fp32", threads, 1)
    for _ in range(2):
        with pytest.raises(CdulEdgeError, match=r"cannot run this CLIP's image tower \(.+\): use"):
            session.run(pictures(1))
