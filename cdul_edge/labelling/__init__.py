"""From pictures and class names to pseudo-labels: CLIP once, aggregation as often as you like."""
