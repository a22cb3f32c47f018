"""What TensorRT's parser wants of a graph that ONNX leaves free; it means the same afterwards."""

from __future__ import annotations

from string import ascii_lowercase

import onnx


def let_cast_alone_read_pixels(model: onnx.ModelProto) -> None:
    """Take shapes from the float pixels, in place: TensorRT lets nothing but a Cast read uint8.

    A class token asks for the batch size in this way, with a Shape of the graph's input.
    """
    graph = model.graph
    pixels = graph.input[0].name
    cast = next((n for n in graph.node if n.op_type == "Cast" and n.input[0] == pixels), None)
    if cast is None:
        return
    first = onnx.NodeProto.FromString(cast.SerializeToString())
    graph.node.remove(cast)
    graph.node.insert(0, first)
    for node in graph.node:
        if node.op_type == "Shape" and node.input[0] == pixels:
            node.input[0] = first.output[0]


def spell_equations(model: onnx.ModelProto) -> None:
    """Write every Einsum's equation without spaces and in small letters, in place.

    TensorRT's parser refuses others ("Invalid character(s) in Einsum equation", for RTX 1.7). The
    letters keep their order, by which an equation without an arrow orders its output.
    """
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Einsum" and attribute.name == "equation":
                attribute.s = _spell(attribute.s.decode()).encode()


def _spell(equation: str) -> str:
    """With more than 26 letters it stays as it is."""
    letters = sorted({letter for letter in equation if letter.isalpha()})
    if len(letters) > len(ascii_lowercase):
        return equation
    small = str.maketrans("".join(letters), ascii_lowercase[: len(letters)], " ")
    return equation.translate(small)
