"""Pipelines of GStreamer."""
