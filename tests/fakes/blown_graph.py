"""A graph that no machine has the memory for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from tests.conftest import build_graph


def write_blown_graph(path: Path, times: int = 10**5) -> Path:
    """The tiny graph, in which each picture becomes `times` squared of them on the way."""
    model = build_graph()
    blown = onnx.helper.make_node("Tile", ["floats", "times"], ["tiled"])
    counts = onnx.numpy_helper.from_array(np.array([1, times, times, 1]), "times")
    model.graph.initializer.append(counts)
    model.graph.node.insert(1, blown)
    model.graph.node[2].input[0] = "tiled"
    onnx.save(model, path)
    return path
