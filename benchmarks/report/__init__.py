"""Figures of the page that people open: its size, what a browser says of it, and what it costs."""
