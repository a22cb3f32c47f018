"""A graph that no machine has the memory for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from tests.conftest import build_graph


def write_blown_graph(path: Path) -> Path:
    """The tiny graph, in which each picture becomes ten thousand million on the way."""
    model = build_graph()
    blown = onnx.helper.make_node("Tile", ["floats", "times"], ["tiled"])
    times = onnx.numpy_helper.from_array(np.array([1, 10**5, 10**5, 1]), "times")
    model.graph.initializer.append(times)
    model.graph.node.insert(1, blown)
    model.graph.node[2].input[0] = "tiled"
    onnx.save(model, path)
    return path
