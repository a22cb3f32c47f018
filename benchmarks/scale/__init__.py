"""Figures of labeling and training beyond one machine."""
