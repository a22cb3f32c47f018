"""Calibration pictures and the activation ranges seen on them."""
