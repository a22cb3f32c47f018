"""A run: what training did."""
