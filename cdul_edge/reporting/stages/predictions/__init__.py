"""What a bundle predicted."""
