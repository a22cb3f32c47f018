"""CLIP's image tower as an ONNX graph, for libraries that run it faster than PyTorch on a CPU."""
