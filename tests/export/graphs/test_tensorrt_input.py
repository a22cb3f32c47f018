"""What NVIDIA's parser wants of a graph beside what ONNX wants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from cdul_edge_export.graphs.tensorrt_input import spell_equations

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.arange(12, dtype=np.float32).reshape(3, 4)


def einsum(equation: str) -> onnx.ModelProto:
    node = helper.make_node("Einsum", ["a", "b"], ["y"], "product", equation=equation)
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [2, 3]),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [3, 4]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def equation_of(model: onnx.ModelProto) -> str:
    return str(helper.get_attribute_value(model.graph.node[0].attribute[0]).decode())


def product(model: onnx.ModelProto) -> npt.NDArray[np.float32]:
    (found,) = ReferenceEvaluator(model).run(None, {"a": A, "b": B})
    return np.asarray(found)


@pytest.mark.parametrize(
    ("equation", "spelled"),
    [
        ("B I, I D -> B D", "ac,cb->ab"),
        ("ij,jk->ik", "ab,bc->ac"),
        ("ij , jk -> ki", "ab,bc->ca"),
        ("zK,Ka", "ca,ab"),  # without an arrow: what stands once, in the order of the alphabet
        ("... i, i k -> ... k", "...a,ab->...b"),
    ],
)
def test_equations_mean_the_same_in_small_letters(equation: str, spelled: str) -> None:
    model = einsum(equation)
    before = product(model)
    spell_equations(model)
    assert equation_of(model) == spelled
    assert np.array_equal(product(model), before)


def test_nvidia_reads_equations_in_small_letters_alone() -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    assert trt.__version__
    from benchmarks.nvidia_compiler import compile_graph

    model = einsum("B I, I D -> B D")
    refused = compile_graph(model.SerializeToString())
    assert refused.refused_by == "parser"
    assert "Einsum equation" in refused.message
    spell_equations(model)
    assert compile_graph(model.SerializeToString()).refused_by != "parser"
