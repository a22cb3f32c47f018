"""Figures of a stream: its rate, its lateness, and the drift of its scores."""
