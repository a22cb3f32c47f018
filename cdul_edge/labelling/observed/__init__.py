"""Scores corrected by what people said of some entries."""
