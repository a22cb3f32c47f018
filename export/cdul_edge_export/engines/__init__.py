"""From graphs to engines: TensorRT, and TensorRT for RTX; needs neither PyTorch nor onnx."""
