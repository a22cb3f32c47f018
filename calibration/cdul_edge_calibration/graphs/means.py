"""The mean input of every layer with weights, channel by channel, for the bias correction."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from cdul_edge_calibration.data.ranges import Means
from cdul_edge_calibration.graphs.layers import list_layers, name_nodes

Inputs = npt.NDArray[np.uint8]

PICTURES = 128  # of a few thousand places each: more would change no third digit
_DIGITS = 6


def measure_means(model: Path, batches: Iterable[Inputs]) -> Means:
    """Mean of each channel of what goes into every Conv and Gemm with constant weights.

    Args:
        model: an FP32 ONNX file.
        batches: (N, H, W, 3) uint8; those of the first `PICTURES` pictures count.

    Returns:
        By name of the input tensor; means over pictures and places, in the channels' order.
    """
    import onnxruntime

    graph = onnx.load(model)
    names = _add_means(graph)
    if not names:
        return {}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the outputs added have no shape yet
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    totals = [np.zeros(1) for _ in names]
    pictures = 0
    for batch in _first(batches, PICTURES):
        found = session.run([f"{name}/mean" for name in names], {"images": batch})
        for place, values in enumerate(found):
            flat = values.reshape(*values.shape[:2], -1).mean(axis=2, dtype=np.float64)
            totals[place] = totals[place] + flat.sum(axis=0)
        pictures += len(batch)
    return {
        name: [float(f"{value:.{_DIGITS}g}") for value in total / max(pictures, 1)]
        for name, total in zip(names, totals, strict=True)
    }


def _add_means(model: onnx.ModelProto) -> list[str]:
    """Give the graph an output `NAME/mean` for each layer's input; returns their names."""
    name_nodes(model)
    kinds = {layer.node: layer.kind for layer in list_layers(model)}
    wanted = {node.input[0]: kinds[node.name] for node in model.graph.node if node.name in kinds}
    for name, kind in wanted.items():
        # Pooled within the graph: whole feature maps of all layers would fill the memory.
        pooling = "GlobalAveragePool" if kind == "Conv" else "Identity"
        model.graph.node.append(helper.make_node(pooling, [name], [f"{name}/mean"]))
        model.graph.output.append(
            helper.make_tensor_value_info(f"{name}/mean", TensorProto.FLOAT, None)
        )
    return list(wanted)


def _first(batches: Iterable[Inputs], pictures: int) -> Iterable[Inputs]:
    """Batches with so many pictures in all, the last one cut."""
    left = pictures
    for batch in batches:
        if left <= 0:
            return
        yield batch[:left]
        left -= len(batch)
