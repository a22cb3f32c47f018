"""The networks that learn from pseudo-labels."""
