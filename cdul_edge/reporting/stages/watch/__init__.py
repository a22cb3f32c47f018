"""What a watch saw."""
