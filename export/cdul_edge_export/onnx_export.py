"""torch -> ONNX: a network becomes the graph that every device reads."""

from __future__ import annotations

import onnx
import torch
from torch import nn

from cdul_edge_export.graphs.graph import check_graph, lower_opset
from cdul_edge_export.graphs.tensorrt_input import let_cast_alone_read_pixels, spell_equations
from cdul_edge_runtime.bundle.manifest import program_version
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.quiet import quiet_exporter
from cdul_edge_runtime.pictures.preprocess import Preprocess

_EXPORTER_OPSET = 18  # the lowest that torch's exporter makes without converting back


def to_onnx(network: nn.Module, preprocess: Preprocess) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Export a `Deploy` network with a free batch size, at opset 17 where that is possible.

    Returns:
        The checked model, and the operators that kept it from opset 17, if any.

    Raises:
        CdulEdgeError: torch's exporter cannot follow the network.
    """
    with quiet_exporter():
        program = _trace(network.eval(), preprocess)
        _pool_by_mean(program)
        try:
            exported = torch.onnx.export(
                program,
                dynamo=True,
                input_names=["images"],
                output_names=["scores"],
                opset_version=_EXPORTER_OPSET,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise _cannot_export(error) from error
    assert exported is not None  # only the exporter without dynamo gives none
    model: onnx.ModelProto = exported.model_proto
    let_cast_alone_read_pixels(model)
    spell_equations(model)
    newer = lower_opset(model)
    model.producer_name, model.producer_version = "cdul-edge", program_version()
    check_graph(model)
    return model, newer


def _trace(network: nn.Module, preprocess: Preprocess) -> torch.export.ExportedProgram:
    # Two pictures: the tracer takes a batch of one for a constant.
    images = torch.zeros(2, preprocess.height_px, preprocess.width_px, 3, dtype=torch.uint8)
    shapes = {"images": {0: torch.export.Dim("batch", min=1)}}
    try:
        return torch.export.export(network, (images,), dynamic_shapes=shapes, strict=False)
    # What the tracer cannot follow, it reports as a RuntimeError (TorchDynamoException and
    # GuardOnDataDependentSymNode are ones) or, for shapes, as a ValueError.
    except (RuntimeError, ValueError) as error:
        raise _cannot_export(error) from error


def _cannot_export(error: Exception) -> CdulEdgeError:
    first: BaseException = error
    while first.__cause__ is not None:  # torch's own summary only says in which step it was
        first = first.__cause__
    lines = str(first).strip().splitlines()
    reason = lines[0] if lines else type(first).__name__
    return CdulEdgeError(
        f"torch cannot export this network to ONNX ({reason}): its forward may not branch on the "
        "values it sees"
    )


def _pool_by_mean(program: torch.export.ExportedProgram) -> None:
    """Rewrite adaptive average pooling to 1x1 as the mean that it is, in place.

    Left alone, torch's decomposition turns it into a Gather over strides, which neither INT8 nor
    TensorRT handles well.
    """
    adaptive = torch.ops.aten.adaptive_avg_pool2d.default
    for node in program.graph.nodes:
        if node.target is adaptive and list(node.args[1]) == [1, 1]:
            node.target = torch.ops.aten.mean.dim
            node.args = (node.args[0], [2, 3], True)
    program.graph_module.recompile()
