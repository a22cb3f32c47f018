"""Figures of the pages that people open: size, what a browser says of them, and their cost."""
