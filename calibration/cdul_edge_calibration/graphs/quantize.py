"""From one set of ranges to two INT8 graphs: one for TensorRT, one for x86 CPUs.

ONNX Runtime's quantizer sets scales and puts QuantizeLinear and DequantizeLinear (Q/DQ) pairs in.
TensorRT and ONNX Runtime's CPU kernels fuse different patterns: either one's file is slower than
FP32 on the other.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from cdul_edge_calibration.data.ranges import Means, Ranges
from cdul_edge_calibration.graphs.bias import correct_biases
from cdul_edge_calibration.graphs.layers import (
    drop_unused,
    gate_nodes,
    list_layers,
    name_nodes,
    producers,
    residual_adds,
)
from cdul_edge_calibration.graphs.normalization import NODE as NORMALISATION
from cdul_edge_calibration.graphs.normalization import fuse_normalization
from cdul_edge_runtime.host.quiet import quiet_loggers

# Operators that ONNX Runtime's CPU kernels run in 8 bits without leaving them. Of Mul and Sigmoid
# only gates: squeeze-and-excitation, and x sigmoid(x).
_CPU_OPERATORS = (
    "Conv Relu Clip Add MaxPool AveragePool GlobalAveragePool Flatten Gemm Concat Mul Sigmoid"
).split()

_SMALLEST_SCALE = 2.0**-24  # FP16's smallest number above 0; steps this small lose nothing


def quantize_for_tensorrt(
    model: onnx.ModelProto,
    ranges: Ranges,
    float_layers: Collection[str] = (),
    means: Means | None = None,
) -> onnx.ModelProto:
    """Q/DQ INT8 as TensorRT 8.6 to 11 fuse it; `tensorrt_rules` says what that means.

    Symmetric, zero point 0; FP32 weights -> Q -> DQ per output channel; biases stay float; the
    inputs of convolutions are quantized and not their outputs, so that Conv + Relu and Conv + Add
    + Relu end in the next Q; of a residual Add the skip input only.

    Args:
        model: FP32, from our exporter.
        ranges: of every activation.
        float_layers: names of layers (`Layer.name`) that stay in floating point.
        means: of every layer's input, to correct biases with; None leaves them as they are.
    """
    source = _copy(model)
    adds = residual_adds(source)
    convolutions = [layer for layer in list_layers(source) if layer.kind == "Conv"]
    kept = {layer.node for layer in convolutions if layer.name in float_layers}
    correct_biases(source, means or {}, {layer.node for layer in convolutions} - kept)
    quantized = _insert_pairs(
        source,
        ranges,
        nodes=[*adds, *(layer.node for layer in convolutions)],
        operators=["Conv", "Add"],
        unsigned=False,
        ActivationSymmetric=True,
        WeightSymmetric=True,
        QuantizeBias=False,
        AddQDQPairToWeight=True,
        ForceQuantizeNoInputCheck=True,
        QDQDisableWeightAdjustForInt32Bias=True,
        OpTypesToExcludeOutputQuantization=sorted({n.op_type for n in source.graph.node}),
        QDQOpTypePerChannelSupportToAxis={"Conv": 0},
    )
    swallowed = _free_main_path(quantized, adds, kept)
    _raise_vanishing_scales(quantized)
    restore_float(quantized, kept | {add for add, by in swallowed.items() if by in kept})
    return _finish(quantized, model)


def quantize_for_cpu(
    model: onnx.ModelProto,
    ranges: Ranges,
    float_layers: Collection[str] = (),
    means: Means | None = None,
) -> onnx.ModelProto:
    """U8S8 INT8 for ONNX Runtime on x86: unsigned activations, signed weights per channel.

    With outputs quantized too, ONNX Runtime fuses whole residual blocks into QLinearConv and
    QLinearAdd. Signed activations would keep it from VNNI's unsigned x signed dot product.
    """
    source = _copy(model)
    fuse_normalization(source)
    adds = set(residual_adds(source))
    kept = _with_their_adds(source, float_layers, adds)
    chosen = adds | gate_nodes(source)
    nodes = [
        node.name
        for node in source.graph.node
        if node.op_type in _CPU_OPERATORS
        and node.name not in (*kept, NORMALISATION)
        and (node.op_type not in ("Add", "Mul", "Sigmoid") or node.name in chosen)
    ]
    correct_biases(source, means or {}, nodes)
    quantized = _insert_pairs(
        source,
        ranges,
        nodes=nodes,
        operators=_CPU_OPERATORS,
        unsigned=True,
        ActivationSymmetric=False,
        WeightSymmetric=True,
        # Logits in 256 steps would tie; what follows an inner Gemm puts a pair there anyway.
        OpTypesToExcludeOutputQuantization=["Gemm"],
        # A pair does what the Relu before it does, so it goes; a float layer reads before the pair.
        QDQKeepRemovableActivations=bool(kept),
    )
    restore_float(quantized, kept)
    return _finish(quantized, model)


def restore_float(model: onnx.ModelProto, nodes: Collection[str]) -> None:
    """Take these nodes' inputs from before their Q/DQ pairs, in place: they run in float again."""
    makers = producers(model.graph)
    for node in model.graph.node:
        if node.name in nodes:
            for position, name in enumerate(node.input):
                node.input[position] = _before_pair(name, makers) or name
    drop_unused(model.graph)


def _with_their_adds(
    source: onnx.ModelProto, float_layers: Collection[str], adds: Collection[str]
) -> set[str]:
    """Nodes of these layers, and of the residual Adds that their outputs go into."""
    nodes = {layer.node for layer in list_layers(source) if layer.name in float_layers}
    outputs = {name for node in source.graph.node if node.name in nodes for name in node.output}
    fed = {n.name for n in source.graph.node if n.name in adds and outputs & set(n.input)}
    return nodes | fed


def _before_pair(name: str, makers: dict[str, onnx.NodeProto]) -> str | None:
    """The tensor that Q -> DQ was put on, where `name` is the end of such a pair."""
    dequantize = makers.get(name)
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return None
    quantize = makers.get(dequantize.input[0])
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    return str(quantize.input[0])


def _insert_pairs(
    source: onnx.ModelProto,
    ranges: Ranges,
    *,
    nodes: list[str],
    operators: list[str],
    unsigned: bool,
    **options: Any,
) -> onnx.ModelProto:
    """Run ONNX Runtime's quantizer over `nodes` and no others."""
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData

    known = {name: tuple(np.array(edge, np.float32) for edge in ranges[name]) for name in ranges}
    # the quantizer logs on the root logger what we have decided already
    with quiet_loggers("root", level=logging.ERROR):
        quantizer = QDQQuantizer(
            onnx.shape_inference.infer_shapes(source),
            True,  # per channel
            False,  # reduce_range: VNNI does not saturate
            QuantType.QInt8,
            QuantType.QUInt8 if unsigned else QuantType.QInt8,
            TensorsData(CalibrationMethod.MinMax, known),
            nodes,
            [],
            operators,
            extra_options=options,
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()  # it appends its pairs at the end
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized


def _free_main_path(
    model: onnx.ModelProto, adds: Collection[str], kept: Collection[str]
) -> dict[str, str]:
    """Of each residual Add, leave the pair on the skip alone, in place.

    The convolution that ends the main path then swallows the Add; with a pair between them
    TensorRT would round twice and run the Add by itself (NVIDIA in TensorRT issue 1992). Where both
    operands come from convolutions, the deeper one is the main path, as modelopt has it; but one
    that stays in floating point (in `kept`) swallows no INT8 Add while the other can.

    Returns:
        For each Add the convolution that swallows it.
    """
    makers = producers(model.graph)
    depth: dict[str, int] = {}
    for node in model.graph.node:  # in topological order
        deepest = 1 + max((depth.get(name, 0) for name in node.input), default=0)
        depth.update(dict.fromkeys(node.output, deepest))
    swallowed = {}
    for node in model.graph.node:
        if node.name in adds:
            sources = [(_before_pair(name, makers) or name) for name in node.input]
            from_conv = [
                position
                for position, name in enumerate(sources)
                if name in makers and makers[name].op_type == "Conv"
            ]
            main = max(
                from_conv,
                key=lambda place: (makers[sources[place]].name not in kept, depth[sources[place]]),
            )
            node.input[main] = sources[main]
            swallowed[node.name] = makers[sources[main]].name
    drop_unused(model.graph)
    return swallowed


def _raise_vanishing_scales(model: onnx.ModelProto) -> None:
    """A channel of almost no weight gets a scale that TensorRT, building with FP16, rounds to 0."""
    scales = {n.input[1] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    for tensor in model.graph.initializer:
        if tensor.name in scales:
            values = np.maximum(numpy_helper.to_array(tensor), np.float32(_SMALLEST_SCALE))
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    name_nodes(copy)
    return copy


def _finish(quantized: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """Keep the source's opset, IR version and metadata; the result passes ONNX's full checker."""
    del quantized.opset_import[:]
    quantized.opset_import.extend(source.opset_import)
    quantized.ir_version = source.ir_version
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(source.metadata_props)
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized, full_check=True)
    return quantized
