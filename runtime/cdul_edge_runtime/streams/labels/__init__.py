"""From scores to labels: which are there, which appeared, and which went."""
