"""From pseudo-labels to a trained classifier: networks, methods, the loop, the run folder."""
