"""The embedded default: a drawn world of twelve classes and the tiny CLIP that knows it."""
