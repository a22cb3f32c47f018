"""One page that shows what labeling, training, export, and the device made."""
