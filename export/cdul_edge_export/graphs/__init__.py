"""The graph that every device reads, from the one that the exporter makes."""
