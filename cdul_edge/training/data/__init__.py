"""Pictures, labels and augmentation for training."""
