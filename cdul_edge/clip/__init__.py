"""Loading a CLIP model by name, tag or local files."""
