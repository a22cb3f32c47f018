"""cdul-edge: unlabelled pictures and class names in, a verified multi-label classifier out."""

__version__ = "0.1.0"
