"""ONNX graphs in, ONNX graphs of lower precision out."""
