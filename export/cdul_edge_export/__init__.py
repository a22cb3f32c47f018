"""Torch to ONNX; engines are the next floor."""
