"""Figures of live streams."""
