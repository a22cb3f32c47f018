"""Pseudo-labels: the file and folder in which labeling and training meet."""
