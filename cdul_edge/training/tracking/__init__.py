"""What a training run tells TensorBoard, MLflow, Weights & Biases, and Trackio."""
