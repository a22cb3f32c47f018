"""ONNX files of a bundle on Intel's CPUs, GPUs and NPUs, by OpenVINO."""
