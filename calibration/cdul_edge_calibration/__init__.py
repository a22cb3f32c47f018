"""Choosing thresholds on labelled pictures, without torch."""
