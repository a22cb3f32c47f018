"""Figures of a stream while it runs."""
