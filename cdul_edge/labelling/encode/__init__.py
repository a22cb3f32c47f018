"""From pictures and class names to CLIP embeddings."""
