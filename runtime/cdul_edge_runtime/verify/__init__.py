"""A bundle against what PyTorch said, pass or fail."""
