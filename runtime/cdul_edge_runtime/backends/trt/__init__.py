"""TensorRT engines as a backend."""
