"""Pseudo-labels: the file and folder in which labelling and training meet."""
