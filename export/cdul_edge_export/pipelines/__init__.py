"""A bundle for other people's pipelines: NVIDIA's DeepStream, and the Triton Inference Server."""
