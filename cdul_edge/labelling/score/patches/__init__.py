"""Scores from the patch tokens of a ViT: a classifier of patches, learned without labels."""
