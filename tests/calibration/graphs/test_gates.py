"""Gates of squeeze-and-excitation and of x sigmoid(x): in eight bits on a CPU, and no other Mul."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.layers import gate_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_cpu, quantize_for_tensorrt
from cdul_edge_calibration.graphs.tensorrt_rules import find_violations
from cdul_edge_runtime.bundle.manifest import Precision
from tests.fakes.residual_network import build_residual, maker, node, pictures, run


def gated() -> onnx.ModelProto:
    """The residual network whose first block ends in 0.5 x sigmoid(x)."""
    model = build_residual()
    half = numpy_helper.from_array(np.full((1, 1, 1, 1), 0.5, np.float32), "half")
    model.graph.initializer.append(half)
    for reader in ("node_layer2.0.conv1", "node_layer2.0.downsample.0"):
        node(model, reader).input[0] = "halved"
    position = list(model.graph.node).index(node(model, "node_layer1.0.relu")) + 1
    nodes = [
        helper.make_node("Sigmoid", ["layer1.0"], ["gate"], "node_gate"),
        helper.make_node("Mul", ["layer1.0", "gate"], ["gated"], "node_gated"),
        helper.make_node("Mul", ["gated", "half"], ["halved"], "node_halved"),
    ]
    for one in reversed(nodes):
        model.graph.node.insert(position, one)
    return model


def test_a_gate_is_a_sigmoid_that_multiplies() -> None:
    assert gate_nodes(gated()) == {"node_gate", "node_gated"}  # not the scores' sigmoid
    assert gate_nodes(build_residual()) == set()


def test_gates_are_multiplied_in_eight_bits_and_the_scores_stay_near(tmp_path: Path) -> None:
    model, path = gated(), tmp_path / "model.onnx"
    onnx.save(model, path)
    ranges = measure_ranges(path, lambda: iter([pictures(32)]))
    quantized = quantize_for_cpu(model, ranges)
    for name, expected in (("node_gate", 1), ("node_gated", 2)):
        pairs = [
            made_by.op_type == "DequantizeLinear"
            for made_by in (maker(quantized, tensor) for tensor in node(quantized, name).input)
            if made_by is not None
        ]
        assert sum(pairs) == expected, name
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        quantized.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    fused = [one.op_type for one in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert fused.count("QLinearMul") == fused.count("QLinearSigmoid") == 1
    inputs = pictures(32, seed=1)
    found = run(quantized, tmp_path, inputs, Precision.INT8_CPU)
    # What eight bits a tensor leave of scores between 0 and 1, as in test_quantize.
    assert np.abs(found - run(model, tmp_path, inputs)).max() < 0.06
    assert find_violations(quantize_for_tensorrt(model, ranges)) == []
