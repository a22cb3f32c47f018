"""Readers of what comes after labeling: one section of the page each."""
